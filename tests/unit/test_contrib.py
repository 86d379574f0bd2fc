"""The files in contrib/ parse with the tools they are for and match the program."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import promql_parser
import pytest
import typer
import yaml
from tests.support.patience import PATIENCE_SECONDS
from tests.support.webhooks import APP_SECRET

from ticktrail.cli.app import app
from ticktrail.messages.model import StatusEvent
from ticktrail.receiver.service import Receiver
from ticktrail.settings.loading import load_settings
from ticktrail.settings.settings import SETTINGS
from ticktrail.stores.coverage import Change, Facts
from ticktrail.stores.opening import open_configured_store, open_store
from ticktrail.web.roles import access_for
from ticktrail.web.server import Server, build_app, listen

CONTRIB = Path(__file__).parents[2] / "contrib"
DOCKERFILE = (CONTRIB / "Dockerfile").read_text(encoding="utf-8")
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands
KNOWN_SETTINGS = SETTINGS.keys() | {f"{name}_FILE" for name, setting in SETTINGS.items() if setting.secret}


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each with its arguments."""
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def last(name: str) -> str:
    """The arguments of the last instruction with this name."""
    return [rest for word, rest in instructions() if word == name][-1]


def exists(command: list[str]) -> bool:
    """Return True if the program has this command with these options."""
    known = {option for parameter in COMMANDS[command[0]].params for option in parameter.opts}
    return {word for word in command[1:] if word.startswith("--")} <= known


def test_the_container_runs_without_rights() -> None:
    """The Dockerfile ends as a user that is not root, and starts the program itself, so that SIGTERM reaches it."""
    assert int(last("USER")) > 0
    assert instructions()[-2:] == [("ENTRYPOINT", '["ticktrail"]'), ("CMD", '["run", "--host", "0.0.0.0"]')]
    assert exists(json.loads(last("CMD")))
    assert last("STOPSIGNAL") == "SIGTERM"
    assert {word for word, _ in instructions()} <= {
        *("FROM", "COPY", "RUN", "ENV", "WORKDIR", "VOLUME", "USER", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK"),
        *("ENTRYPOINT", "CMD"),
    }


def test_the_dockerfile_copies_what_is_there() -> None:
    """Every source of COPY exists in the clone, and none is the whole folder, which may hold a .env file."""
    for word, rest in instructions():
        if word == "COPY" and not rest.startswith("--from"):
            *sources, _ = rest.split()
            assert all((CONTRIB.parent / source).exists() for source in sources)
            assert "." not in sources


def test_the_health_check_tells(tmp_path: Path) -> None:
    """The health check's own command succeeds while the server answers, and fails when it does not."""
    _, _, command = last("HEALTHCHECK").partition("CMD ")
    program = json.loads(command)[1:]
    settings = load_settings({}, {"TICKTRAIL_STORE": str(tmp_path / "l.db")}, tmp_path)
    listening = listen("127.0.0.1", 0)
    program[1] = program[1].replace("8765", str(listening.getsockname()[1]))
    dashboard = build_app(settings, access=access_for(settings, "127.0.0.1"))
    with Server(dashboard, listening):
        assert subprocess.run([sys.executable, *program], check=False).returncode == 0
    ended = subprocess.run([sys.executable, *program], check=False, capture_output=True)
    assert ended.returncode != 0


def test_compose_has_one_service_on_a_read_only_root() -> None:
    """The service keeps its data in a named volume, shows itself to this machine only, and sets what exists."""
    compose = yaml.safe_load((CONTRIB / "compose.yaml").read_text(encoding="utf-8"))
    (service,) = compose["services"].values()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert [volume.split(":")[0] for volume in service["volumes"]] == list(compose["volumes"])
    assert service["volumes"][0].endswith(last("WORKDIR"))
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["ports"][0].endswith(f":{last('EXPOSE')}")
    assert set(service["secrets"]) == set(compose["secrets"])
    assert set(service["environment"]) <= KNOWN_SETTINGS
    for name, value in service["environment"].items():
        if name.endswith("_FILE"):
            assert value.removeprefix("/run/secrets/") in compose["secrets"]
    assert (CONTRIB.parent / service["build"]["dockerfile"]).exists()


def test_the_unit_starts_what_exists() -> None:
    """The systemd unit has the three sections, sets known settings, and starts a command the program has."""

    class Unit(configparser.RawConfigParser):
        optionxform = staticmethod(str)  # type: ignore[assignment]

    text = (CONTRIB / "ticktrail.service").read_text(encoding="utf-8")
    unit = Unit(strict=False)
    unit.read_string(text)
    assert unit.sections() == ["Unit", "Service", "Install"]
    program, *command = unit["Service"]["ExecStart"].split()
    assert program.endswith("/ticktrail")
    assert exists(command)
    assert set(re.findall(r"^Environment=(\w+)=", text, re.MULTILINE)) <= KNOWN_SETTINGS
    credentials = set(re.findall(r"^LoadCredential=([\w-]+):", text, re.MULTILINE))
    assert set(re.findall(r"=%d/([\w-]+)$", text, re.MULTILINE)) == credentials


def test_compose_is_what_the_specification_allows() -> None:
    """The Compose specification's own schema has nothing against the file."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [*command, str(CONTRIB / "compose.yaml")], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_what_the_image_needs_is_sent_to_be_built() -> None:
    """The build context lists the files that are copied, so no .env file and no store gets into it."""
    rules = [line for line in (CONTRIB.parent / ".dockerignore").read_text(encoding="utf-8").splitlines() if line]
    assert next(rule for rule in rules if not rule.startswith("#")) == "*"
    copied = {
        source.rstrip("/")
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied
    assert "**/.env*" in rules


def test_the_image_has_the_versions_that_were_tested() -> None:
    """Every package of the image's lock is in the lock of the tests, with the same version, and has hashes."""
    pinned = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
    image = (CONTRIB / "requirements.lock").read_text(encoding="utf-8")
    tested = dict(pinned.findall((CONTRIB.parent / "requirements-dev.lock").read_text(encoding="utf-8")))
    found = dict(pinned.findall(image))
    assert {name: tested.get(name) for name in found} == found
    assert {"jinja2", "fastapi", "uvicorn", "prometheus-client", "apprise", "pymongo", "httpx2"} <= found.keys()
    assert image.count("--hash=sha256:") >= len(found)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="only where there is systemd")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """systemd-analyze finds nothing wrong with the unit, its program aside, which is not where the unit wants it."""
    text = (CONTRIB / "ticktrail.service").read_text(encoding="utf-8")
    unit = tmp_path / "ticktrail.service"
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    # What other units of this machine get wrong is not ours.
    assert not [line for line in done.stderr.splitlines() if "ticktrail" in line]
    assert done.returncode == 0, done.stderr


def served_metrics(recorded: Path) -> set[str]:
    """The name of every metric at /metrics of a running server."""
    key = "e30.eyJleHAiOjE4MDAwMDAwMDB9.e30"
    settings = load_settings({}, {"TICKTRAIL_STORE": str(recorded), "N8N_API_KEY": key}, recorded.parent)
    listening = listen("127.0.0.1", 0)
    dashboard = build_app(settings, access=access_for(settings, "127.0.0.1"))
    with Server(dashboard, listening):
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/metrics"
        text = httpx2.get(address, trust_env=False, timeout=PATIENCE_SECONDS).text
    return set(re.findall(r"^(ticktrail_\w+)", text, re.MULTILINE))


@pytest.fixture(scope="module")
def metric_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Metric names for a store with one delivered message, one failed message and one sync, and of the receiver."""
    path = tmp_path_factory.mktemp("contrib") / "ledger.db"
    now = datetime.now(UTC)
    with open_store(str(path)) as store:
        for number, status in enumerate(("sent", "delivered", "failed")):
            event = StatusEvent(
                message_id=f"wamid.{number // 2}",
                status=status,
                timestamp=int(now.timestamp()) - 100 + number,
                execution_id=str(number),
                conversation_id="966500000001",
                errors=({"code": 131026, "title": "t"},) if status == "failed" else (),
            )
            store.write([event], at=now)
        scope = f"https://n8n.example.com|flow|1|{store.sync_state.identity()}"
        store.sync_state.save_coverage(scope, Change(facts=Facts(checked_at=now)))
    return served_metrics(path) | received_metrics(path.parent)


def received_metrics(folder: Path) -> set[str]:
    """Metric names of a receiver that runs."""
    environment = {"WHATSAPP_APP_SECRET": APP_SECRET, "TICKTRAIL_STORE": str(folder / "received.db")}
    settings = load_settings({}, environment, folder)
    listening = listen("127.0.0.1", 0)
    with Receiver(settings, listening, open_store=lambda: open_configured_store(settings)):
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/metrics"
        text = httpx2.get(address, trust_env=False, timeout=PATIENCE_SECONDS).text
    return set(re.findall(r"^(ticktrail_\w+)", text, re.MULTILINE))


def grafana() -> dict[str, Any]:
    """The dashboard."""
    found: dict[str, Any] = json.loads((CONTRIB / "grafana-dashboard.json").read_text(encoding="utf-8"))
    return found


def expressions() -> list[str]:
    """Every PromQL expression of the dashboard and the alerts, with a length where Grafana puts one."""
    alerts = yaml.safe_load((CONTRIB / "prometheus-alerts.yaml").read_text(encoding="utf-8"))
    panels = [target["expr"] for panel in grafana()["panels"] for target in panel["targets"]]
    asked = panels + [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]
    return [text.replace("$__range", "1h").replace("$__rate_interval", "4m") for text in asked]


@pytest.mark.parametrize("expression", expressions())
def test_what_is_asked_of_prometheus_exists(expression: str, metric_names: set[str]) -> None:
    """Prometheus' grammar takes every expression, and a server exports every metric that it names."""
    promql_parser.parse(expression)
    names = set(re.findall(r"ticktrail_\w+", expression))
    assert names <= metric_names
    assert names or "up{" in expression


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    """An address of its own, a choice of data source that every panel and query goes by, ids that differ."""
    found = grafana()
    assert found["uid"]
    assert "id" not in found
    assert [(one["name"], one["type"], one["query"]) for one in found["templating"]["list"]] == [
        ("datasource", "datasource", "prometheus")
    ]
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])
    for panel in found["panels"]:
        assert panel["type"] in {"stat", "timeseries", "table"}
        assert panel["title"]
        assert panel["datasource"] == chosen
        assert all(target["datasource"] == chosen for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@pytest.mark.skipif(shutil.which("promtool") is None, reason="only where Prometheus is installed")
def test_rules_fire_when_they_should() -> None:
    """Promtool plays hours of made-up figures: each rule speaks when it should, and is silent before."""
    asked = Path(__file__).parents[1] / "data" / "prometheus-alerts.test.yaml"
    done = subprocess.run(
        ["promtool", "test", "rules", str(asked)], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_metrics_are_those_that_were_promised(metric_names: set[str]) -> None:
    """The names people build dashboards on are all there."""
    promised = {
        *("ticktrail_messages", "ticktrail_status_events_total", "ticktrail_failures_total"),
        *("ticktrail_time_to_deliver_seconds_bucket", "ticktrail_last_status_timestamp_seconds"),
        *("ticktrail_last_sync_success_timestamp_seconds", "ticktrail_sync_late_after_seconds"),
        *("ticktrail_executions_unreadable", "ticktrail_sends_unconfirmed"),
        *("ticktrail_api_key_expiry_timestamp_seconds", "ticktrail_build_info"),
    }
    assert promised <= metric_names


def test_alerts_say_what_to_do() -> None:
    """Each rule has a severity, a sentence and what to do; what it tells people to type exists."""
    alerts = yaml.safe_load((CONTRIB / "prometheus-alerts.yaml").read_text(encoding="utf-8"))
    for rule in alerts["groups"][0]["rules"]:
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert rule["annotations"]["summary"]
        for typed in re.findall(r"ticktrail ([a-z]+)", rule["annotations"]["description"]):
            assert typed in COMMANDS


def test_panels_do_not_overlap() -> None:
    """Every panel of the dashboard has a place of its own within the width of 24."""
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in grafana()["panels"]):
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
