"""The commands that talk to n8n, against a server in this process that answers as n8n does."""

from __future__ import annotations

import json
import os
import select
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.n8n_server import N8nServer
from tests.support.patience import PATIENCE_SECONDS
from tests.support.recordings import corpus, recording

from .conftest import Ticktrail, runner

ROOT = Path(__file__).parents[2]
EXPECTED = json.loads((ROOT / "tests/data/n8n-2.41.1/corpus_400_messages.expected.json").read_text())
WORKFLOW = "bcHn4wXXcVuTsjYB"


@pytest.fixture
def n8n() -> Iterator[N8nServer]:
    """An n8n with the 1,020 recorded executions and three workflows, one of them with a WhatsApp Trigger."""
    workflows = [
        json.loads(recording("workflow")),
        {"id": "dl6YjlguSq8U0wvE", "name": "Meta", "active": True, "nodes": [{"type": "n8n-nodes-base.webhook"}]},
        {"id": "zzz", "name": "Nightly backup", "active": False, "nodes": [{"type": "n8n-nodes-base.cron"}]},
    ]  # fmt: skip
    with N8nServer(corpus(), workflows=workflows) as server:
        yield server


def settings(n8n: N8nServer, **more: str) -> dict[str, str]:
    """The environment that leads to this n8n."""
    return {"N8N_BASE_URL": n8n.address, "N8N_API_KEY": n8n.api_key, "WORKFLOW_ID_WHATSAPP": WORKFLOW, **more}


def test_sync_from_n8n_equals_the_independent_answer(ticktrail: Ticktrail, n8n: N8nServer) -> None:
    """``ticktrail sync`` reads all executions over HTTP and the store says what the generator expects."""
    done = ticktrail("sync", "--store", "ledger.sqlite", **settings(n8n))
    assert done.returncode == 0, done.stderr
    assert "1,020 executions: 1,020 with statuses" in done.stdout
    found = [json.loads(line) for line in ticktrail("messages", "--store", "ledger.sqlite").stdout.splitlines()]
    assert {row["messageId"]: (row["latestStatus"], row["statusCount"]) for row in found} == {
        message_id: (one["latestStatus"], one["statusCount"]) for message_id, one in EXPECTED.items()
    }


def test_workflows_are_called_by_their_names(ticktrail: Ticktrail, n8n: N8nServer) -> None:
    """After a sync, statistics and single messages show the workflow's name, not only its id."""
    more = {**settings(n8n), "TICKTRAIL_STORE": "a.sqlite"}
    assert ticktrail("sync", **more).returncode == 0
    table = ticktrail("stats", "--by", "workflow", **more).stdout
    assert "WhatsApp statuses" in table
    assert WORKFLOW not in table
    (group,) = json.loads(ticktrail("stats", "--by", "workflow", "--format", "json", **more).stdout)["groups"]
    assert (group["workflow"], group["label"]) == (WORKFLOW, "WhatsApp statuses")


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"N8N_API_KEY": "a-wrong-key-a-wrong-key"}, 1, "settings/api"),
        ({"WORKFLOW_ID_WHATSAPP": "NotThere"}, 1, "NotThere"),
    ],
)
def test_what_n8n_refuses_is_said_with_its_remedy(
    ticktrail: Ticktrail, n8n: N8nServer, changes: dict[str, str], code: int, said: str
) -> None:
    """A wrong key, an unknown workflow, a wrong prefix: one clear error each, no key in it, nothing written."""
    n8n.workflows = n8n.workflows[:1]
    done = ticktrail("sync", "--store", "ledger.sqlite", **{**settings(n8n), **changes})
    assert done.returncode == code, done.stderr
    assert said in done.stderr + done.stdout
    assert "a-wrong-key" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_list_reads_no_more_than_it_was_asked_to(ticktrail: Ticktrail, n8n: N8nServer) -> None:
    """``list --executions 30`` asks n8n for 30 executions and prints the newest messages in them."""
    done = ticktrail("list", "--executions", "30", "--limit", "3", "--store", "ledger.sqlite", **settings(n8n))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3
    assert "Scanned 30 executions" in done.stderr
    with_data = sum(request.limit for request in n8n.requests if request.is_list_with_data)  # type: ignore[misc, truthy-function]
    assert with_data <= 60


def test_init_writes_settings_that_work(ticktrail: Ticktrail, n8n: N8nServer, home: Path) -> None:
    """``init`` tests the key, keeps what stands in .env, writes a private file, and ``sync`` then needs no more."""
    (home / ".env").write_text("# mine\nOTHER=1\n")
    done = ticktrail("init", "--url", f"{n8n.address}/home/workflows", "--workflow", WORKFLOW, N8N_API_KEY=n8n.api_key)
    assert done.returncode == 0, done.stderr
    written = (home / ".env").read_text()
    assert "# mine\nOTHER=1\n" in written
    assert n8n.api_key not in done.stderr + done.stdout
    assert "ticktrail sync" in done.stderr
    assert f"WORKFLOW_ID_WHATSAPP='{WORKFLOW}'" in written or f"WORKFLOW_ID_WHATSAPP={WORKFLOW}" in written
    if os.name != "nt":
        assert stat.S_IMODE((home / ".env").stat().st_mode) == 0o600
    assert ticktrail("sync", "--store", "ledger.sqlite").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "key", "said"),
    [
        (["--workflow", "NotThere"], None, "NotThere"),
        (["--workflow", WORKFLOW], "a-wrong-key-a-wrong-key", "settings/api"),
    ],
)
def test_init_writes_nothing_that_does_not_work(
    ticktrail: Ticktrail, n8n: N8nServer, home: Path, arguments: list[str], key: str | None, said: str
) -> None:
    """A workflow that is not there, or a key that n8n refuses: an error, and no .env."""
    done = ticktrail("init", "--url", n8n.address, *arguments, N8N_API_KEY=key or n8n.api_key)
    assert done.returncode in {1, 3}
    assert said in done.stderr
    assert not (home / ".env").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal is simulated with pty")
def test_init_asks_on_a_terminal(n8n: N8nServer, home: Path, bare_environment: dict[str, str]) -> None:
    """On a terminal ``init`` asks for address and key without showing it, lists the workflows, and writes .env."""
    import pty  # noqa: PLC0415

    pid, terminal = pty.fork()
    if pid == 0:  # the child
        os.chdir(home)
        os.execve(sys.executable, [sys.executable, "-m", "ticktrail", "init"], bare_environment)  # noqa: S606
    shown = seen = b""
    for prompt, answer in (
        (b"browser", n8n.address),
        (b"not shown", n8n.api_key),
        (b"Which of these", "1"),
        (b"in MongoDB?", "n"),
        (b"File", ""),
        (b"Time zone", "Asia/Dubaj"),
        (b"Time zone", "Asia/Dubai"),
    ):
        while prompt not in seen or not seen.rstrip().endswith((b":", b"?")):
            assert select.select([terminal], [], [], PATIENCE_SECONDS)[0], (
                f"no {prompt!r} after: {(shown + seen).decode()}"
            )
            seen += os.read(terminal, 4096)
        time.sleep(0.5)  # what is typed before the echo is off gets discarded, as getpass wants it
        os.write(terminal, answer.encode() + b"\n")
        shown, seen = shown + seen, b""
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # Linux' way to say that the other side has closed
            break
        if not chunk:
            break
        seen += chunk
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, seen.decode()
    assert b"WhatsApp statuses" in shown
    assert b"Nightly backup" not in shown
    assert n8n.api_key.encode() not in shown + seen
    written = (home / ".env").read_text()
    assert n8n.api_key in written
    assert "Asia/Dubai" in written


@pytest.fixture
def older(home: Path, bare_environment: dict[str, str]) -> Ticktrail:
    """The older script, run from another folder as cron does."""
    return runner([sys.executable, str(ROOT / "track_message_status.py")], home, bare_environment)


def test_the_older_list_command_line(older: Ticktrail, n8n: N8nServer) -> None:
    """Without arguments the older script prints the ten newest messages of the newest 200 executions as JSON."""
    done = older(**settings(n8n))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert list(answer) == ["workflowId", "filterWaId", "totalMessages", "messages"]
    assert (answer["workflowId"], answer["filterWaId"], answer["totalMessages"]) == (WORKFLOW, None, 10)
    first = answer["messages"][0]
    assert list(first) == [
        *("messageId", "waId", "latestStatus", "latestTimestamp", "latestTimestampFormatted", "statusCount", "history"),
    ]
    assert first["waId"] == EXPECTED[first["messageId"]]["conversation_id"]
    assert list(first["history"][0]) == ["status", "timestamp", "timestampFormatted", "executionId", "waId"]


def test_the_older_filters(older: Ticktrail, n8n: N8nServer) -> None:
    """``WA_ID --limit N --max-messages N --since UNIX`` filter as they did."""
    message_id, one = next((name, one) for name, one in EXPECTED.items() if one["statusCount"] == 3)
    latest = one["events"][-1]["timestamp"]
    done = older(
        *(one["conversation_id"], "--limit", "2000", "--max-messages", "1000", "--since", str(latest)), **settings(n8n)
    )
    answer = json.loads(done.stdout)
    assert answer["filterWaId"] == one["conversation_id"]
    assert {message["waId"] for message in answer["messages"]} == {one["conversation_id"]}
    assert all(entry["timestamp"] >= latest for message in answer["messages"] for entry in message["history"])
    assert message_id in {message["messageId"] for message in answer["messages"]}


def test_the_older_track_command_line(older: Ticktrail, n8n: N8nServer) -> None:
    """With both arguments it prints one message's history; ``not_found`` and ``wa_id_mismatch`` are answers, exit 0."""
    message_id, one = next((name, one) for name, one in EXPECTED.items() if one["statusCount"] == 3)
    done = older(one["conversation_id"], message_id, "--limit", "2000", **settings(n8n))
    answer = json.loads(done.stdout)
    assert list(answer) == [
        *("waId", "messageId", "workflowId", "latestStatus", "latestTimestamp", "latestTimestampFormatted"),
        *("history", "foundInExecutionsCount"),
    ]
    assert (answer["latestStatus"], answer["foundInExecutionsCount"]) == (one["latestStatus"], 3)
    for wa_id, name, said in (
        (one["conversation_id"], "wamid.NOT-THERE", "not_found"),
        ("966500009999", message_id, "wa_id_mismatch"),
    ):
        done = older(wa_id, name, "--limit", "2000", **settings(n8n))
        assert (done.returncode, json.loads(done.stdout)["latestStatus"]) == (0, said)


def test_the_older_save_option(older: Ticktrail, n8n: N8nServer, mongodb_server: str) -> None:
    """``--save-to-mongodb`` stores what is printed and says so in a line that begins with ``[mongodb]``."""
    from pymongo import MongoClient  # noqa: PLC0415

    database = f"older_{os.getpid()}"
    environ = settings(n8n, MONGODB_URI=f"{mongodb_server}/{database}")
    done = older("--save-to-mongodb", **environ)
    assert done.returncode == 0, done.stderr
    assert "[mongodb] 10 messages: 10 inserted, 0 updated, 0 unchanged" in done.stderr
    assert "[mongodb] 10 messages: 0 inserted, 0 updated, 10 unchanged" in older("--save-to-mongodb", **environ).stderr
    with MongoClient(mongodb_server) as client:
        stored = {document["messageId"] for document in client[database]["message_statuses"].find()}
        client.drop_database(database)
    assert stored == {message["messageId"] for message in json.loads(done.stdout)["messages"]}


def test_the_older_save_option_without_mongodb(older: Ticktrail, n8n: N8nServer) -> None:
    """Without ``MONGODB_URI`` the answer is printed all the same, and the missing setting is named, exit 2."""
    done = older("--save-to-mongodb", **settings(n8n))
    assert done.returncode == 2
    assert json.loads(done.stdout)["totalMessages"] == 10
    assert "[mongodb] MONGODB_URI is not set" in done.stderr
