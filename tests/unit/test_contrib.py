"""What stands in contrib/: read by parsers, and held against the program. No container was ever built from it here."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from ticktrail.cli import app
from ticktrail.config import SETTINGS, load_settings
from ticktrail.counts import Counts
from ticktrail.dashboard.access import access_for
from ticktrail.dashboard.app import Server, build_app, listen
from ticktrail.dashboard.metrics import Metrics, Reading

CONTRIB = Path(__file__).parents[2] / "contrib"
DOCKERFILE = (CONTRIB / "Dockerfile").read_text(encoding="utf-8")
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
KNOWN_SETTINGS = SETTINGS.keys() | {f"{name}_FILE" for name, setting in SETTINGS.items() if setting.secret}


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each with what stands behind it."""
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def last(name: str) -> str:
    """What stands behind the last instruction of a name."""
    return [rest for word, rest in instructions() if word == name][-1]


def exists(command: list[str]) -> bool:
    """Whether the program has this command, with these options."""
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
    """Everything that is copied from the clone exists in it, and no whole folder with somebody's .env is."""
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
    dashboard = build_app(settings, access=access_for(settings, "127.0.0.1"), pages=False)
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


def metric_names() -> set[str]:
    """Every name that /metrics can hold."""
    settings = load_settings({}, {"N8N_API_KEY": "e30.eyJleHAiOjE4MDAwMDAwMDB9.e30"}, CONTRIB)
    reading = Reading(
        totals=Counts(messages=1, delays={1: 1}),
        numbers={"1": Counts(messages=1)},
        failures={"131026": 1},
        last_status=1,
        synced={"w": 1.0},
        not_shown={"w": 1},
    )
    text = Metrics(settings).text(reading).decode()
    return set(re.findall(r"^(ticktrail_\w+)", text, re.MULTILINE))


def expressions() -> list[str]:
    """Every PromQL expression of the dashboard and the alerts."""
    grafana = json.loads((CONTRIB / "grafana-dashboard.json").read_text(encoding="utf-8"))
    alerts = yaml.safe_load((CONTRIB / "prometheus-alerts.yaml").read_text(encoding="utf-8"))
    panels = [target["expr"] for panel in grafana["panels"] for target in panel["targets"]]
    return panels + [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("expression", expressions())
def test_what_is_asked_of_prometheus_exists(expression: str) -> None:
    """Every metric in an expression is one of ours, and its brackets close."""
    names = set(re.findall(r"ticktrail_\w+", expression))
    assert names <= metric_names()
    assert names or "up{" in expression
    for opening, closing in ("()", "[]", "{}"):
        assert expression.count(opening) == expression.count(closing)


def test_metrics_are_those_that_were_promised() -> None:
    """The names people build dashboards on are all there."""
    promised = {
        *("ticktrail_messages", "ticktrail_status_events_total", "ticktrail_failures_total"),
        *("ticktrail_time_to_deliver_seconds_bucket", "ticktrail_last_status_timestamp_seconds"),
        *("ticktrail_last_sync_success_timestamp_seconds", "ticktrail_executions_unreadable"),
        *("ticktrail_api_key_expiry_timestamp_seconds", "ticktrail_build_info"),
    }
    assert promised <= metric_names()


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
    grafana = json.loads((CONTRIB / "grafana-dashboard.json").read_text(encoding="utf-8"))
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in grafana["panels"]):
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
