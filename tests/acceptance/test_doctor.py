"""``ticktrail doctor`` as a user types it, against an n8n in this process and real stores."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.n8n_server import N8nServer
from tests.support.patience import PATIENCE_SECONDS
from tests.support.recordings import corpus, recording

from .conftest import Ticktrail

pytestmark = pytest.mark.thorough

WORKFLOW = "bcHn4wXXcVuTsjYB"
PASSWORD = "s3cret-password"  # noqa: S105 - made up, to look for it in the output


def workflow(**changes: Any) -> dict[str, Any]:
    """The recorded workflow, changed."""
    found: dict[str, Any] = json.loads(recording("workflow")) | changes
    return found


def filtered(*statuses: str) -> dict[str, Any]:
    """The recorded workflow with a trigger that passes only these statuses."""
    found = workflow()
    for nodes in (found["nodes"], found["activeVersion"]["nodes"]):
        nodes[0]["parameters"]["options"] = {"messageStatusUpdates": list(statuses)}
    return found


@pytest.fixture
def n8n() -> Iterator[N8nServer]:
    """An n8n with the recorded executions and their workflow."""
    with N8nServer(corpus(), workflows=[workflow()]) as server:
        yield server


def settings(n8n: N8nServer, **more: str) -> dict[str, str]:
    """The environment that leads to this n8n."""
    return {"N8N_BASE_URL": n8n.address, "N8N_API_KEY": n8n.api_key, "WORKFLOW_ID_WHATSAPP": WORKFLOW, **more}


class Report:
    """The report printed with ``--format json``."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        assert done.stderr == ""
        assert done.returncode in {0, 4}, done.stdout
        self.text = done.stdout
        self.document = json.loads(done.stdout)
        assert self.document["inOrder"] == (done.returncode == 0)

    def of(self, name: str) -> dict[str, Any]:
        """The first check of this name, the worst before the others."""
        order = ["fault", "warning", "unknown", "ok"]
        found = [check for check in self.document["checks"] if check["name"] == name]
        return min(found, key=lambda check: order.index(check["verdict"]))

    def needing(self) -> dict[str, str]:
        """Name and result of each check that found a fault."""
        checks = self.document["checks"]
        return {check["name"]: check["verdict"] for check in checks if check["verdict"] in {"fault", "warning"}}


def examine(ticktrail: Ticktrail, *arguments: str, **environ: str) -> Report:
    """Run the doctor."""
    return Report(ticktrail("doctor", "--format", "json", *arguments, **environ))


def test_everything_in_order(ticktrail: Ticktrail, n8n: N8nServer, home: Path) -> None:
    """Set up well, before the first sync and after it: exit 0, that verdict first, a line for each check, no talk."""
    for synced in (False, True):
        if synced:
            assert ticktrail("sync", **settings(n8n)).returncode == 0
        done = ticktrail("doctor", **settings(n8n))
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert lines[:2] == ["Everything is in order.", ""]
        assert all(line.startswith(("✓  ", "     ")) for line in lines[2:])
        for said in ("n8n answers at", "accepts the key", "'WhatsApp statuses' is active", "passes every status"):
            assert said in done.stdout
        assert "200 executions read, 200 with statuses." in done.stdout
        assert ("All indexes exist" in done.stdout) == synced
        assert n8n.api_key not in done.stdout
    assert [path.name for path in home.rglob("*.sqlite*")] == ["ticktrail.sqlite"]


@pytest.mark.parametrize("version", ["1.68.0", "1.123.81", "2.0.0"])
def test_older_n8n(ticktrail: Ticktrail, n8n: N8nServer, version: str) -> None:
    """Fields that older releases do not send are not reported as faults."""
    n8n.version = tuple(int(part) for part in version.split("."))[:2]
    for name in ("activeVersion", "activeVersionId", "isArchived"):
        n8n.workflows[0].pop(name)
    report = examine(ticktrail, **settings(n8n))
    assert report.needing() == {}
    assert report.of("executions")["says"] == "200 executions read, 200 with statuses."


def test_a_stream_without_ticks_gets_ascii(ticktrail: Ticktrail, n8n: N8nServer) -> None:
    """Where the stream cannot show ticks and arrows, there are letters instead, and no question marks for them."""
    n8n.workflows = [filtered()]
    done = ticktrail("doctor", PYTHONUTF8="0", PYTHONIOENCODING="ascii", **settings(n8n))
    assert done.stdout.isascii()
    assert "\nv  versions" in done.stdout
    assert "\nx  trigger" in done.stdout
    assert "-> In its options" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("shown", "name", "verdict", "said"),
    [
        (workflow(active=False), "workflow", "fault", "not active"),
        (filtered("read"), "trigger", "warning", "sent, delivered and failed never come"),
        (filtered(), "trigger", "fault", "no status at all"),
        (workflow(settings={"saveDataSuccessExecution": "none"}), "saving", "fault", "successful"),
    ],
    ids=["inactive", "filtered", "deaf", "not saved"],
)
def test_what_silence_hides(
    ticktrail: Ticktrail, n8n: N8nServer, shown: dict[str, Any], name: str, verdict: str, said: str
) -> None:
    """A workflow that is off, filters or does not save is found although its old executions look well."""
    n8n.workflows = [shown]
    report = examine(ticktrail, **settings(n8n))
    assert report.needing() == {name: verdict}
    assert said in report.of(name)["says"]
    assert report.of(name)["remedy"]
    assert report.of(name)["workflowId"] == WORKFLOW


def test_an_expired_key_is_one_fault(ticktrail: Ticktrail, n8n: N8nServer) -> None:
    """A refused key that says itself that it expired: said once, with the page that makes a new one, never shown."""
    payload = base64.urlsafe_b64encode(json.dumps({"aud": "public-api", "exp": int(time.time()) - 90_000}).encode())
    key = f"eyJhbGciOiJIUzI1NiJ9.{payload.decode().rstrip('=')}.c2lnbmF0dXJl"
    report = examine(ticktrail, **settings(n8n) | {"N8N_API_KEY": key})
    assert report.needing() == {"key expiry": "fault"}
    assert "expired 25 hours ago" in report.of("key expiry")["says"]
    assert f"{n8n.address}/settings/api" in report.of("key expiry")["remedy"]
    assert (report.of("n8n")["verdict"], report.of("workflow")["verdict"]) == ("ok", "unknown")
    assert not any(part in report.text for part in key.split("."))


def test_a_wrong_key(ticktrail: Ticktrail, n8n: N8nServer) -> None:
    """A key that n8n refuses is told apart from an n8n that is away, and the store is tried all the same."""
    report = examine(ticktrail, **settings(n8n) | {"N8N_API_KEY": "another-key-altogether"})
    assert report.needing() == {"key": "fault"}
    assert (report.of("n8n")["verdict"], report.of("store")["verdict"]) == ("ok", "ok")
    assert "another-key" not in report.text


def test_a_wrong_prefix_is_found_out(ticktrail: Ticktrail, n8n: N8nServer) -> None:
    """Where n8n answers with its editor, the doctor looks for the API nearby, and says where it is."""
    report = examine(ticktrail, **settings(n8n), N8N_API_PREFIX="/secret-api/v1")
    assert report.needing() == {"n8n": "fault"}
    assert "n8n's own pages" in report.of("n8n")["says"]
    assert f"answers at {n8n.address}/api/v1. Remove N8N_API_PREFIX." in report.of("n8n")["remedy"]
    report = examine(ticktrail, **settings(n8n) | {"N8N_BASE_URL": f"{n8n.address}/automation"})
    assert f"Set N8N_BASE_URL={n8n.address}." in report.of("n8n")["remedy"]


def test_an_api_that_is_switched_off(ticktrail: Ticktrail, n8n: N8nServer) -> None:
    """Express' own 404 names the causes that look alike: starting, switched off, wrong prefix."""
    n8n.answer(404, b"<pre>Cannot GET /api/v1/executions</pre>", times=None)
    found = examine(ticktrail, **settings(n8n)).of("n8n")
    assert found["verdict"] == "fault"
    assert "N8N_PUBLIC_API_DISABLED" in found["remedy"]


def test_an_unknown_workflow_does_not_hide_the_other(ticktrail: Ticktrail, n8n: N8nServer) -> None:
    """One id of two is mistyped: that one is a fault, the other is looked at whole."""
    report = examine(ticktrail, **settings(n8n) | {"WORKFLOW_ID_WHATSAPP": f"NotThere,{WORKFLOW}"})
    assert report.needing() == {"workflow": "fault"}
    assert "NotThere" in report.of("workflow")["says"]
    assert report.of("executions")["workflowId"] == WORKFLOW


@pytest.mark.parametrize(
    ("scopes", "verdict", "lacking"),
    [
        ({"execution:list", "execution:read"}, "warning", {"workflow:read"}),
        ({"execution:list", "workflow:read"}, "fault", {"execution:read"}),
        ({"execution:read", "workflow:read"}, "fault", {"execution:list"}),
        (set(), "fault", {"execution:list", "workflow:read"}),
    ],
)
def test_scopes_that_a_key_lacks(
    ticktrail: Ticktrail, n8n: N8nServer, scopes: set[str], verdict: str, lacking: set[str]
) -> None:
    """Each scope is proven by use; what is lacking is named, and what could not be looked at for want of it."""
    n8n.scopes = scopes
    report = examine(ticktrail, **settings(n8n))
    assert report.needing() == {"scopes": verdict}
    says = report.of("scopes")["says"]
    assert {scope for scope in ("execution:list", "execution:read", "workflow:read") if scope in says} == lacking
    unseen = {check["name"] for check in report.document["checks"] if check["verdict"] == "unknown"}
    assert unseen == {
        *({"workflow"} if "workflow:read" in lacking else ()),
        *({"executions"} if "execution:list" in lacking else ()),
    }


def test_silence_is_explained(ticktrail: Ticktrail, n8n: N8nServer) -> None:
    """Executions that hold no status are a warning with its causes."""
    inbound = json.loads(recording("execution_whatsapp_trigger_inbound_message"))
    n8n.remove(*range(1, 1_100))
    n8n.add(*({**inbound, "id": str(number), "workflowId": WORKFLOW} for number in range(1, 31)))
    found = examine(ticktrail, **settings(n8n)).of("executions")
    assert (found["verdict"], found["says"]) == ("warning", "30 executions read, 0 statuses.")
    assert found["remedy"].startswith("Most likely first: (1)")
    n8n.workflows = [filtered()]
    assert "finding above" in examine(ticktrail, **settings(n8n)).of("executions")["remedy"]
    n8n.remove(*range(1, 31))
    found = examine(ticktrail, **settings(n8n)).of("executions")
    assert (found["verdict"], found["says"]) == ("warning", "n8n lists no execution of this workflow.")


def test_a_workflow_that_sends_need_not_hear(ticktrail: Ticktrail, n8n: N8nServer) -> None:
    """Beside one that hears statuses, a workflow whose webhook makes it send is in order without any."""
    hook = {"name": "Shop", "type": "n8n-nodes-base.webhook", "parameters": {"httpMethod": "POST", "path": "shop"}}
    send = {"name": "Send", "type": "n8n-nodes-base.whatsApp", "parameters": {}}
    sender = {"id": "sender", "name": "Orders", "active": True, "nodes": [hook, send], "settings": {}}
    n8n.workflows.append(sender)  # type: ignore[arg-type]
    accepted = json.loads(recording("execution_send_text_accepted"))
    n8n.add({**accepted, "id": "5000", "workflowId": "sender"})
    assert examine(ticktrail, **settings(n8n) | {"WORKFLOW_ID_WHATSAPP": f"sender,{WORKFLOW}"}).needing() == {}
    alone = examine(ticktrail, **settings(n8n) | {"WORKFLOW_ID_WHATSAPP": "sender"})
    assert alone.needing() == {"executions": "warning"}


def test_retention_is_measured_with_few_requests(ticktrail: Ticktrail, n8n: N8nServer) -> None:
    """Between the newest and the oldest of ids with wide gaps the oldest is found, a waiting one below passed over."""
    row = json.loads(recording("execution_whatsapp_trigger_priced")) | {"workflowId": WORKFLOW}
    n8n.remove(*range(1, 1_100))
    now = time.time()

    def at(seconds_ago: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(now - seconds_ago))

    n8n.add(
        *({**row, "id": str(5_000_000 + 977 * i), "startedAt": at(100 - i / 10)} for i in range(900)),
        {**row, "id": "3000000", "startedAt": at(6_000)},
        {**row, "id": "70", "startedAt": at(9_000_000), "status": "waiting", "finished": False},
    )
    n8n.workflows = [workflow(createdAt="2026-01-01T00:00:00.000Z")]
    found = examine(ticktrail, **settings(n8n)).of("retention")
    assert found["says"].startswith("n8n's oldest execution started 100 minutes ago.")
    assert sum(request.is_list_without_data() for request in n8n.requests) < 40


def test_a_short_retention_is_a_warning(ticktrail: Ticktrail, n8n: N8nServer) -> None:
    """n8n deleted executions that were synced, and keeps six minutes: too little for a sync every five."""
    row = json.loads(recording("execution_whatsapp_trigger_priced")) | {"workflowId": WORKFLOW}
    assert ticktrail("sync", **settings(n8n)).returncode == 0
    n8n.remove(*range(1, 1_100))
    started = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - 370))
    n8n.add({**row, "id": "900001", "startedAt": started})
    n8n.workflows = [workflow(createdAt="2026-01-01T00:00:00.000Z")]
    report = examine(ticktrail, **settings(n8n))
    assert report.needing() == {"retention": "warning"}
    assert "EXECUTIONS_DATA_PRUNE_MAX_COUNT" in report.of("retention")["remedy"]


def test_executions_deleted_before_they_were_read_are_a_warning(ticktrail: Ticktrail, n8n: N8nServer) -> None:
    """After a gap the doctor does not say that all is well, although everything that is left was synced."""
    row = json.loads(recording("execution_whatsapp_trigger_priced")) | {"workflowId": WORKFLOW}
    assert ticktrail("sync", **settings(n8n)).returncode == 0
    n8n.remove(*range(1, 1_100))
    n8n.add(*({**row, "id": str(2_000 + number)} for number in range(60)))
    assert ticktrail("sync", "--full", **settings(n8n)).returncode == 0
    report = examine(ticktrail, **settings(n8n))
    assert report.needing()["completeness"] == "warning"
    assert "n8n deleted these executions before they were read" in report.of("completeness")["says"]
    assert "EXECUTIONS_DATA_PRUNE_MAX_COUNT" in report.of("completeness")["remedy"]


def test_a_workflow_that_answers_its_own_statuses(ticktrail: Ticktrail, n8n: N8nServer) -> None:
    """Case 08: refused sends without a recipient in executions that a status started; one node fixes it."""
    case = Path(__file__).parents[1] / "data" / "cases" / "answers-its-own-statuses.json"
    executions = json.loads(case.read_text(encoding="utf-8"))
    n8n.add(*({**one, "id": str(5_000 + number), "workflowId": WORKFLOW} for number, one in enumerate(executions)))
    report = examine(ticktrail, **settings(n8n))
    assert report.needing() == {"self answers": "warning"}
    found = report.of("self answers")
    assert "the node 'Send message' tried 3 sends without a recipient" in found["says"]
    assert "Filter node right after the trigger" in found["remedy"]


def test_a_clock_that_is_wrong(ticktrail: Ticktrail, n8n: N8nServer) -> None:
    """n8n's ``Date`` header five minutes ahead is a warning."""
    n8n.clock_skew = 300
    report = examine(ticktrail, **settings(n8n))
    assert report.needing() == {"clock": "warning"}
    assert "ahead of" in report.of("clock")["says"]


def test_n8n_away_and_the_store_away(ticktrail: Ticktrail, n8n: N8nServer) -> None:
    """Two faults are two lines, within seconds; no password stands in either."""
    environ = settings(n8n, MONGODB_URI=f"mongodb://me:{PASSWORD}@127.0.0.1:9/x?serverSelectionTimeoutMS=300")
    n8n.stop()
    started = time.monotonic()
    report = examine(ticktrail, **environ)
    assert time.monotonic() - started < PATIENCE_SECONDS
    assert report.needing() == {"n8n": "fault", "store": "fault"}
    assert "connection was refused" in report.of("n8n")["says"]
    assert "refuses the connection" in report.of("store")["says"]
    assert PASSWORD not in report.text
    assert report.document["verdict"] == "2 problems; 1 check not possible."


def test_mongodb_in_order(ticktrail: Ticktrail, n8n: N8nServer, mongodb_server: str) -> None:
    """A MongoDB that can be written is so after the check as before: not even a database is made."""
    from pymongo import MongoClient  # noqa: PLC0415

    database = f"doctor_{os.getpid()}"
    report = examine(ticktrail, "--store", f"{mongodb_server}/{database}", **settings(n8n))
    assert report.needing() == {}
    assert "There is no store" in report.of("store")["says"]
    with MongoClient[dict[str, Any]](mongodb_server) as client:
        assert database not in client.list_database_names()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs a folder this user may not write to")
def test_a_folder_that_may_not_be_written(ticktrail: Ticktrail, n8n: N8nServer, home: Path) -> None:
    """A SQLite file in a read-only folder is a fault with its remedy."""
    folder = home / "locked"
    folder.mkdir(mode=0o500)
    report = examine(ticktrail, "--store", str(folder / "ledger.sqlite"), **settings(n8n))
    assert report.needing() == {"store": "fault"}
    assert "right to write" in report.of("store")["remedy"]


def test_nothing_is_set(ticktrail: Ticktrail, home: Path) -> None:
    """Without any setting: all that is missing in one line, what to type, and the store that would be used."""
    done = ticktrail("doctor")
    assert (done.returncode, done.stderr) == (4, "")
    assert done.stdout.startswith("1 problem; 1 check not possible.\n")
    shown = " ".join(done.stdout.split())
    assert "✗ settings N8N_BASE_URL, N8N_API_KEY and WORKFLOW_ID_WHATSAPP are not set" in shown
    assert re.search(r"→ Type: \S*ticktrail init", shown)
    assert "There is no store at" in shown
    assert not list(home.iterdir())


def test_one_bad_setting_does_not_hide_the_next(ticktrail: Ticktrail, n8n: N8nServer) -> None:
    """All settings that cannot be used are named at once, and n8n is looked at although the store's is bad."""
    environ = settings(n8n, TICKTRAIL_TIMEZONE="Riyadh/Asia", MONGODB_URI=f"mongo://me:{PASSWORD}@host")
    report = examine(ticktrail, **environ)
    said = [check["says"] for check in report.document["checks"] if check["verdict"] == "fault"]
    assert [text.split()[0] for text in said] == ["MONGODB_URI", "TICKTRAIL_TIMEZONE"]
    assert (report.of("executions")["verdict"], report.of("store")["verdict"]) == ("ok", "unknown")
    assert PASSWORD not in report.text


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_a_dotenv_that_everybody_may_read(ticktrail: Ticktrail, n8n: N8nServer, home: Path) -> None:
    """Secrets that every user of the machine may read are a warning with the command that fixes it."""
    dotenv = home / ".env"
    dotenv.write_text("".join(f"{name}={value}\n" for name, value in settings(n8n).items()) + "N8N_BASE_URl=x\n")
    dotenv.chmod(0o644)
    report = examine(ticktrail)
    assert report.needing() == {".env": "warning", "settings": "warning"}
    assert f"chmod 600 '{dotenv}'" in report.of(".env")["remedy"]
    dotenv.chmod(0o600)
    assert ".env" not in examine(ticktrail).needing()
