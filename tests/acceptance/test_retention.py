"""forget, prune, copy, backup, conversation and annotated conversations, as a user types them."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pymongo import MongoClient
from pymongo.database import Database
from tests.acceptance.conftest import CORPUS, Ticktrail
from tests.support.n8n_server import N8nServer
from tests.support.patience import PATIENCE_SECONDS
from tests.support.recordings import corpus

from ticktrail.stores.journal import Journal, Webhook

pytestmark = pytest.mark.thorough


STORE = ("--store", "ledger.sqlite")


@pytest.fixture
def messages(ticktrail: Ticktrail, recorded_store: str) -> list[dict[str, Any]]:
    """A store with the 400 recorded messages, and what it says it holds."""
    return held(ticktrail, recorded_store)


@pytest.fixture
def database(mongodb_server: str) -> Iterator[Database[dict[str, Any]]]:
    """A database of this test's own."""
    with MongoClient[dict[str, Any]](mongodb_server) as client:
        name = f"tt_{uuid.uuid4().hex}"
        yield client[name]
        client.drop_database(name)


def held(ticktrail: Ticktrail, store: str = "ledger.sqlite") -> list[dict[str, Any]]:
    """Every message of a store."""
    done = ticktrail("messages", "--store", store, "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def busiest(messages: list[dict[str, Any]]) -> tuple[str, int]:
    """The person with most messages, and how many."""
    return Counter(message["conversation_id"] for message in messages if message["conversation_id"]).most_common(1)[0]


def test_forget_shows_what_there_is_then_erases_it_for_good(
    ticktrail: Ticktrail, home: Path, messages: list[dict[str, Any]]
) -> None:
    """A dry run counts; with --yes it is gone, from the file's bytes too, and the next sync brings nothing back."""
    who, count = busiest(messages)
    typed = f"+{who[:3]} {who[3:5]} {who[5:]}"
    plan = ticktrail("forget", typed, "--dry-run", *STORE)
    assert plan.returncode == 0, plan.stderr
    assert f"{count} messages with" in plan.stdout
    assert "Nothing was erased." in plan.stdout
    assert held(ticktrail) == messages

    done = ticktrail("forget", typed, "--yes", *STORE)
    assert done.returncode == 0, done.stderr
    assert f"Erased {count} messages, " in done.stdout
    assert who.encode() not in b"".join(file.read_bytes() for file in home.iterdir() if "ledger" in file.name)
    rest = [message for message in messages if message["conversation_id"] != who]
    assert held(ticktrail) == rest

    again = ticktrail("sync", "--from", str(CORPUS), *STORE)
    assert again.returncode == 0, again.stderr
    assert "left out (erased people" in again.stdout
    assert [message["messageId"] for message in held(ticktrail)] == [message["messageId"] for message in rest]
    assert "forgotten before" in ticktrail("forget", who, "--yes", *STORE).stdout


def test_forget_clears_the_journal_of_the_receiver(
    ticktrail: Ticktrail, home: Path, messages: list[dict[str, Any]]
) -> None:
    """Webhooks about the person are counted and deleted, even if the store has no message to them yet."""
    assert messages
    who, other = "966500000941", "966500000942"
    bodies = [json.dumps({"messages": [{"from": one, "text": {"body": "hi"}}]}).encode() for one in (who, other)]
    (home / ".env").write_text(f"TICKTRAIL_JOURNAL={home / 'journal.sqlite'}\n", encoding="utf-8")
    webhook = Webhook(
        received_at=0.0, number="1", path="/", content_type=None, signature=None, body=b"", storing=0, forwarding=2
    )
    with Journal(home / "journal.sqlite") as journal:
        journal.append([msgspec.structs.replace(webhook, body=body) for body in bodies])

    done = ticktrail("forget", who, "--yes", *STORE)

    assert done.returncode == 0, done.stderr
    assert "holds 1 webhook about them" in done.stdout
    assert "Deleted 1 webhook" in done.stdout
    left = b"".join(file.read_bytes() for file in home.iterdir() if "journal" in file.name)
    assert who.encode() not in left
    assert other.encode() in left


def test_a_dry_run_of_sync_does_not_promise_a_forgotten_person(
    ticktrail: Ticktrail, messages: list[dict[str, Any]]
) -> None:
    """A dry run announces what the sync then does: it stores nothing of erased people."""
    who, _ = busiest(messages)
    ticktrail("forget", who, "--yes", *STORE)
    planned = ticktrail("sync", "--from", str(CORPUS), "--dry-run", "--format", "json", *STORE)
    assert json.loads(planned.stdout)["inserted"] == 0


def test_nothing_is_erased_or_pruned_unless_somebody_says_yes(
    ticktrail: Ticktrail, home: Path, bare_environment: dict[str, str], messages: list[dict[str, Any]]
) -> None:
    """Without a terminal it needs --yes; on one, anything but yes changes nothing."""
    who, _ = busiest(messages)
    for command in (("forget", who), ("prune", "--older-than", "1d")):
        done = ticktrail(*command, *STORE)
        assert done.returncode == 2
        assert "--yes" in done.stderr
        assert on_a_terminal([*command, *STORE], "\n", home, bare_environment) == 0
        assert held(ticktrail) == messages
    assert on_a_terminal(["forget", who, *STORE], "y\n", home, bare_environment) == 0
    assert who not in {message["conversation_id"] for message in held(ticktrail)}


def on_a_terminal(arguments: list[str], typed: str, home: Path, environ: dict[str, str]) -> int:
    """Run a command whose standard input is a terminal where this is typed; its exit code."""
    pty = pytest.importorskip("pty", reason="Windows has none")
    ours, theirs = pty.openpty()
    os.write(ours, typed.encode())
    done = subprocess.run(
        [sys.executable, "-m", "ticktrail", *arguments],
        stdin=theirs,
        capture_output=True,
        cwd=home,
        env=environ,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert b"[y/N]" in done.stderr
    return done.returncode


def test_prune_removes_the_old_and_syncs_leave_it_out(
    ticktrail: Ticktrail, home: Path, messages: list[dict[str, Any]]
) -> None:
    """Messages are removed by the time they were sent; ``--older-than off`` accepts old statuses again."""
    sent = sorted(message.get("sentTimestamp") or message["firstTimestamp"] for message in messages)
    # Long ago, whenever this test runs: the recorded messages of 2025 are all older than one day.
    plan = ticktrail("prune", "--older-than", "1d", "--dry-run", *STORE)
    assert f"{len(sent)} messages" in plan.stdout
    assert held(ticktrail) == messages
    done = ticktrail("prune", "--older-than", "1d", "--yes", *STORE)
    assert done.returncode == 0, done.stderr
    assert f"Removed {len(sent)} messages" in done.stdout
    assert held(ticktrail) == []
    again = ticktrail("sync", "--from", str(CORPUS), "--format", "json", *STORE)
    assert json.loads(again.stdout)["inserted"] == 0
    assert json.loads(again.stdout)["leftOut"] > len(sent)
    assert ticktrail("prune", "--older-than", "off", *STORE).returncode == 0
    again = ticktrail("sync", "--from", str(CORPUS), "--format", "json", *STORE)
    assert json.loads(again.stdout)["inserted"] == len(messages)
    assert (home / "ledger.sqlite").exists()


def test_statuses_that_were_left_out_are_no_fault_of_n8n(ticktrail: Ticktrail, messages: list[dict[str, Any]]) -> None:
    """A sync whose statuses are all older than the retention limit does not say that none was found."""
    assert messages
    ticktrail("prune", "--older-than", "1d", "--yes", *STORE)
    with N8nServer(corpus()) as n8n:
        environ = {
            "N8N_BASE_URL": n8n.address, "N8N_API_KEY": n8n.api_key, "WORKFLOW_ID_WHATSAPP": n8n.workflow_id,
        }  # fmt: skip
        done = ticktrail("sync", *STORE, **environ)
        assert "left out" in done.stdout
        assert "No message status has been found" not in done.stderr
    with N8nServer() as n8n:
        done = ticktrail("sync", "--store", "other.sqlite", **{**environ, "N8N_BASE_URL": n8n.address})
        assert "No message status has been found" in done.stderr


def test_prune_says_what_it_needs(ticktrail: Ticktrail, messages: list[dict[str, Any]]) -> None:
    """Neither or both of its options, a length that is none, a time to live for a file: exit 2 with a remedy."""
    del messages
    for arguments, words in (
        ((), "--older-than"),
        (("--older-than", "1d", "--ttl", "1d"), "either --older-than or --ttl"),
        (("--older-than", "soon"), "--older-than: 'soon' is not a duration"),
        (("--ttl", "90d"), "for MongoDB"),
    ):
        done = ticktrail("prune", *arguments, *STORE)
        assert done.returncode == 2
        assert words in done.stderr


def test_copy_to_mongodb_and_back_and_again(
    ticktrail: Ticktrail, mongodb_server: str, database: Database[dict[str, Any]], messages: list[dict[str, Any]]
) -> None:
    """All that was there is there, and a second copy changes nothing."""
    there = f"{mongodb_server}/{database.name}"
    for _ in range(2):
        done = ticktrail("copy", "--from-store", "ledger.sqlite", "--to", there)
        assert done.returncode == 0, done.stderr
        assert f"{len(messages)} messages and" in done.stdout
    assert f"0 messages inserted, 0 updated, {len(messages)} unchanged" in done.stdout
    assert ticktrail("copy", "--from-store", there, "--to", "back.sqlite").returncode == 0
    assert held(ticktrail, there) == held(ticktrail, "back.sqlite") == messages


def test_copy_refuses_itself_and_nothing(ticktrail: Ticktrail, messages: list[dict[str, Any]]) -> None:
    """A store is not copied into itself, and one that is not there is not found."""
    del messages
    assert ticktrail("copy", "--from-store", "ledger.sqlite", "--to", "./ledger.sqlite").returncode == 2
    assert ticktrail("copy", "--from-store", "nowhere.sqlite", "--to", "x.sqlite").returncode == 3


def test_backup_writes_a_whole_copy_once(ticktrail: Ticktrail, home: Path, messages: list[dict[str, Any]]) -> None:
    """The file opens as a store; a second backup does not overwrite it; MongoDB's has its own tool."""
    assert ticktrail("backup", "copy.sqlite", *STORE).returncode == 0
    assert held(ticktrail, "copy.sqlite") == messages
    assert sqlite3.connect(home / "copy.sqlite").execute("PRAGMA integrity_check").fetchone() == ("ok",)
    again = ticktrail("backup", "copy.sqlite", *STORE)
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_backup_of_mongodb_says_what_to_type(
    ticktrail: Ticktrail, mongodb_server: str, database: Database[dict[str, Any]]
) -> None:
    """The line for mongodump, with the database's name."""
    database.message_statuses.insert_one({"messageId": "m"})
    done = ticktrail("backup", "copy.gz", "--store", f"{mongodb_server}/{database.name}")
    assert done.returncode == 2
    assert f'mongodump --uri="$MONGODB_URI" --db={database.name} --gzip --archive=copy.gz' in done.stderr


def test_conversation_shows_a_thread_without_texts(ticktrail: Ticktrail, messages: list[dict[str, Any]]) -> None:
    """From a store alone: the messages in order with ticks, and where texts could come from."""
    who, count = busiest(messages)
    shown = ticktrail("conversation", f"+{who}", "--format", "table", *STORE)
    assert shown.returncode == 0, shown.stderr
    assert len(shown.stdout.splitlines()) == count
    assert "MONGODB_CONVERSATIONS_COLLECTION" in shown.stderr
    newest = ticktrail("conversation", who, "--limit", "1", *STORE)
    (document,) = map(json.loads, newest.stdout.splitlines())
    theirs = [message for message in messages if message["conversation_id"] == who]
    assert document["messageId"] == max(theirs, key=lambda message: message["sentTimestamp"])["messageId"]
    assert ticktrail("conversation", "966500009999", *STORE).returncode == 3


def test_sync_annotates_conversations_and_they_are_shown_with_ticks(
    ticktrail: Ticktrail, mongodb_server: str, database: Database[dict[str, Any]], messages: list[dict[str, Any]]
) -> None:
    """From n8n: every kept message gets its state, nothing is inserted, and the thread has words and ticks."""
    database.talk.insert_many(
        {
            "conversation_id": message["conversation_id"],
            "message_id": message["messageId"],
            "outbound": f"text {number}",
            "timestamp": message["latestTimestamp"],
        }
        for number, message in enumerate(messages[:50])
    )
    who = messages[0]["conversation_id"]
    database.talk.insert_one(
        {"conversation_id": who, "message_id": "wamid.in", "inbound": "\x1b[2Jنعم", "timestamp": 1}
    )
    with N8nServer(corpus()) as n8n:
        environ = {
            "N8N_BASE_URL": n8n.address,
            "N8N_API_KEY": n8n.api_key,
            "WORKFLOW_ID_WHATSAPP": "bcHn4wXXcVuTsjYB",
            "MONGODB_URI": f"{mongodb_server}/{database.name}",
            "MONGODB_CONVERSATIONS_COLLECTION": "talk",
        }
        wrong = ticktrail("sync", "--annotate-conversations", **{**environ, "MONGODB_CONVERSATIONS_COLLECTION": "x"})
        assert wrong.returncode == 2
        assert "no collection x" in wrong.stderr
        done = ticktrail("sync", "--annotate-conversations", **environ)
        assert done.returncode == 0, done.stderr
    assert database.talk.count_documents({}) == 51
    for message in messages[:50]:
        found = database.talk.find_one({"message_id": message["messageId"]}) or {}
        for name in ("latestStatus", "latestTimestamp", "latestTimestampFormatted", "statusCount"):
            assert found[name] == message[name]
        assert len(found["statusHistory"]) == message["statusCount"]
    shown = ticktrail("conversation", who, "--format", "table", **environ)
    assert "text 0" in shown.stdout
    assert "✓✓ read" in shown.stdout
    assert "[2Jنعم" in shown.stdout
    assert "\x1b" not in shown.stdout

    gone = ticktrail("forget", who, "--yes", **environ)
    assert gone.returncode == 0, gone.stderr
    assert "Removed the status fields from" in gone.stdout
    assert database.talk.count_documents({"conversation_id": who, "latestStatus": {"$exists": True}}) == 0
    assert database.talk.count_documents({}) == 51


def test_annotating_needs_conversations(ticktrail: Ticktrail) -> None:
    """With a SQLite file there are none: said at once, before anything is read."""
    done = ticktrail("sync", "--from", str(CORPUS), "--annotate-conversations", *STORE)
    assert done.returncode == 2
    assert "MONGODB_CONVERSATIONS_COLLECTION" in done.stderr


def test_mongodb_deletes_by_itself_when_told(
    ticktrail: Ticktrail, mongodb_server: str, database: Database[dict[str, Any]]
) -> None:
    """--ttl explains, asks, sets, and is taken back."""
    there = ("--store", f"{mongodb_server}/{database.name}")
    assert ticktrail("sync", "--from", str(CORPUS), *there).returncode == 0
    plan = ticktrail("prune", "--ttl", "180d", "--dry-run", *there)
    assert "180 days after Ticktrail first saw it" in plan.stdout
    assert ticktrail("prune", "--ttl", "180d", *there).returncode == 2
    assert all("expireAfterSeconds" not in index for index in database.message_statuses.list_indexes())
    assert ticktrail("prune", "--ttl", "180d", "--yes", *there).returncode == 0
    assert any(index.get("expireAfterSeconds") == 180 * 86_400 for index in database.message_statuses.list_indexes())
    assert ticktrail("prune", "--ttl", "off", *there).returncode == 0
    assert all("expireAfterSeconds" not in index for index in database.message_statuses.list_indexes())
