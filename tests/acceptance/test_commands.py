"""The commands as a user types them: what they print, where, and what they exit with."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import sqlite3
import stat
import sys
from pathlib import Path

import pytest
from tests.acceptance.conftest import CORPUS, Ticktrail

DATA = Path(__file__).parents[1] / "data" / "n8n-2.41.1"
EXPECTED = json.loads((DATA / "corpus_400_messages.expected.json").read_text())

NOBODY_THERE = {"N8N_BASE_URL": "http://127.0.0.1:9", "N8N_API_KEY": "k" * 20, "WORKFLOW_ID_WHATSAPP": "abc"}


def rows(text: str) -> list[dict[str, object]]:
    """The documents in JSON Lines."""
    return [json.loads(line) for line in text.splitlines()]


def test_demo_runs_the_whole_path_without_configuration(ticktrail: Ticktrail) -> None:
    """``demo`` needs nothing, prints messages on stdout and ends with what to type next."""
    done = ticktrail("demo", "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    assert {row["latestStatus"] for row in rows(done.stdout)} == {"read", "delivered", "sent", "failed"}
    assert re.search(r"\d{3} messages in \d,\d{3} executions", done.stderr)
    typed = [line.partition("ticktrail ")[2].split()[0] for line in done.stderr.splitlines()[-5:]]
    assert typed == ["message", "alerts", "stats", "serve", "init"]


def test_what_demo_says_to_type_next_works(ticktrail: Ticktrail) -> None:
    """The command line that ``demo`` prints explains a failed message when it is typed."""
    import shlex  # noqa: PLC0415

    line = next(line for line in ticktrail("demo").stderr.splitlines() if "ticktrail message" in line)
    typed = shlex.split(line[line.index("ticktrail message") :])[1:]
    done = ticktrail(*typed, "--format", "table")
    assert done.returncode == 0, done.stderr
    assert "failed" in done.stdout


def test_demo_leaves_a_real_store_alone(ticktrail: Ticktrail, recorded_store: str, home: Path) -> None:
    """``demo`` writes into a store of its own: the store in the working directory stays as it was."""
    before = ticktrail("messages", "--store", recorded_store).stdout
    ticktrail("demo")
    assert ticktrail("messages", "--store", recorded_store).stdout == before


def test_the_store_equals_the_independent_answer(ticktrail: Ticktrail, recorded_store: str) -> None:
    """After a sync of the recorded executions, every message says what the generator that fired them expects."""
    found = {str(row["messageId"]): row for row in rows(ticktrail("messages", "--store", recorded_store).stdout)}
    assert {
        message_id: (row["conversation_id"], row["latestStatus"], row["statusCount"])
        for message_id, row in found.items()
    } == {
        message_id: (one["conversation_id"], one["latestStatus"], one["statusCount"])
        for message_id, one in EXPECTED.items()
    }


def test_a_second_sync_changes_nothing(ticktrail: Ticktrail, recorded_store: str) -> None:
    """Reading the same executions again inserts and updates nothing and says so."""
    done = ticktrail("sync", "--from", str(CORPUS), "--store", recorded_store, "--format", "json")
    report = rows(done.stdout)[0]
    assert (report["inserted"], report["updated"], report["executions"]) == (0, 0, 1020)


def test_a_dry_run_says_what_would_change_and_changes_nothing(ticktrail: Ticktrail, home: Path) -> None:
    """``--dry-run`` counts 400 new messages, shows one document, and does not even create the file."""
    done = ticktrail("sync", "--from", str(CORPUS), "--dry-run", "--store", "ledger.sqlite")
    assert done.returncode == 0, done.stderr
    assert "400 messages inserted, 0 updated, 0 unchanged" in done.stdout
    assert '"messageId": "wamid.' in done.stdout
    assert not (home / "ledger.sqlite").exists()


def test_sync_reads_standard_input(ticktrail: Ticktrail) -> None:
    """``--from -`` takes executions from a pipe."""
    lines = gzip.decompress(CORPUS.read_bytes()).decode().splitlines()[:10]
    done = ticktrail("sync", "--from", "-", "--store", "ledger.sqlite", "--format", "json", typed="\n".join(lines))
    assert rows(done.stdout)[0]["executions"] == 10


def test_a_damaged_line_costs_itself_and_is_named_when_asked(ticktrail: Ticktrail, home: Path) -> None:
    """A line that is no JSON is left out, counted in the report and named with -v; the others are kept."""
    lines = gzip.decompress(CORPUS.read_bytes()).decode().splitlines()[:3]
    (home / "export.jsonl").write_text(f"{lines[0]}\n{lines[1][:700]}\n{lines[2]}\n")
    done = ticktrail("sync", "--from", "export.jsonl", "--store", "ledger.sqlite", "-v")
    assert done.returncode == 0, done.stderr
    assert "2 executions: 2 with statuses" in done.stdout
    assert "1 thing left out" in done.stdout
    assert "export.jsonl:2" in done.stderr


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--status", "failed"], lambda status: status == "failed"),
        (["--status", "failed", "--status", "SENT"], lambda status: status in {"failed", "sent"}),
        (["--unread"], lambda status: status in {"sent", "delivered"}),
        (["--undelivered"], lambda status: status in {"sent", "failed"}),
        (["--not-read"], lambda status: status not in {"read", "played"}),
    ],
)
def test_messages_by_status(ticktrail: Ticktrail, recorded_store: str, options: list[str], wanted: object) -> None:
    """Each way to ask by status returns just the messages of the independent answer that stand there."""
    found = {row["messageId"] for row in rows(ticktrail("messages", *options, "--store", recorded_store).stdout)}
    assert found == {message_id for message_id, one in EXPECTED.items() if wanted(one["latestStatus"])}  # type: ignore[operator]


def test_messages_of_one_person_however_the_number_is_written(ticktrail: Ticktrail, recorded_store: str) -> None:
    """A recipient is found as ``+966 50…``, as ``00966…`` and as digits."""
    expected = {message_id for message_id, one in EXPECTED.items() if one["conversation_id"] == "966500000041"}
    for written in ("966500000041", "+966 50 000 0041", "00966500000041"):
        found = {row["messageId"] for row in rows(ticktrail("messages", written, "--store", recorded_store).stdout)}
        assert found == expected


def test_messages_since_goes_by_the_time_a_message_was_sent(ticktrail: Ticktrail, recorded_store: str) -> None:
    """``--since`` and ``--until`` choose by the sent time, not by a later status."""
    sent = {
        message_id: next(event["timestamp"] for event in one["events"] if event["status"] == "sent")
        for message_id, one in EXPECTED.items()
        if any(event["status"] == "sent" for event in one["events"])
    }
    middle = sorted(sent.values())[200]
    found = {
        row["messageId"]
        for row in rows(ticktrail("messages", "--since", str(middle), "--store", recorded_store).stdout)
    }
    assert {one for one in found if one in sent} == {one for one, timestamp in sent.items() if timestamp >= middle}
    rest = {
        row["messageId"]
        for row in rows(ticktrail("messages", "--until", str(middle), "--store", recorded_store).stdout)
    }
    assert found | rest == set(EXPECTED)
    assert not found & rest


def test_a_table_shows_ticks_with_words_and_says_how_many_match(ticktrail: Ticktrail, recorded_store: str) -> None:
    """On request a table shows two ticks and the word, and stderr says how many of how many and where."""
    done = ticktrail("messages", "--status", "read", "--limit", "3", "--format", "table", "--store", recorded_store)
    assert done.stdout.count("✓✓ read") == 3
    matching = sum(one["latestStatus"] == "read" for one in EXPECTED.values())
    assert f"3 messages of {matching} that match, in " in done.stderr


def test_a_stream_without_ticks_gets_plain_ascii(ticktrail: Ticktrail, recorded_store: str) -> None:
    """Where the output's encoding has no ticks (Windows' cp1252), ASCII stands in and nothing fails."""
    done = ticktrail(
        "messages", "--limit", "1", "--status", "read", "--format", "table", "--store", recorded_store,
        PYTHONUTF8="0", PYTHONIOENCODING="cp1252",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "vv read" in done.stdout


def test_csv_and_json_hold_the_same_messages(ticktrail: Ticktrail, recorded_store: str) -> None:
    """``--format csv`` and ``--format json`` print the same messages as JSON Lines."""
    as_lines = rows(ticktrail("messages", "--store", recorded_store).stdout)
    as_json = json.loads(ticktrail("messages", "--format", "json", "--store", recorded_store).stdout)
    as_csv = list(
        csv.DictReader(io.StringIO(ticktrail("messages", "--format", "csv", "--store", recorded_store).stdout))
    )
    assert as_json == as_lines
    assert [row["messageId"] for row in as_csv] == [row["messageId"] for row in as_lines]
    assert [row["latestStatus"] for row in as_csv] == [row["latestStatus"] for row in as_lines]


def test_a_message_that_is_not_there_is_not_found(ticktrail: Ticktrail, recorded_store: str) -> None:
    """An unknown message id exits 3 and says what to type."""
    done = ticktrail("message", "wamid.NOT-THERE", "--store", recorded_store)
    assert done.returncode == 3
    assert done.stdout == ""
    assert "ticktrail sync" in done.stderr


def test_asking_a_store_that_does_not_exist_creates_nothing(ticktrail: Ticktrail, home: Path) -> None:
    """A command that only reads exits 3 where there is no store, and leaves no file behind."""
    done = ticktrail("messages", "--store", "nowhere/ledger.sqlite")
    assert done.returncode == 3
    assert "no store" in done.stderr
    assert list(home.iterdir()) == []


def test_list_scans_the_newest_and_says_how_much_more_the_store_holds(
    ticktrail: Ticktrail, recorded_store: str
) -> None:
    """``list`` prints the newest messages of the newest executions and points to the store's 400."""
    done = ticktrail("list", "--from", str(CORPUS), "--executions", "50", "--limit", "4", "--store", recorded_store)
    assert done.returncode == 0, done.stderr
    times = [row["latestTimestamp"] for row in rows(done.stdout)]
    assert len(times) == 4
    assert times == sorted(times, reverse=True)  # type: ignore[type-var]
    assert "Scanned 50 executions" in done.stderr
    assert "The store holds 400 messages" in done.stderr


def test_list_saves_just_what_it_prints(ticktrail: Ticktrail) -> None:
    """``list --save`` stores the messages it prints and no others."""
    done = ticktrail("list", "--from", str(CORPUS), "--limit", "4", "--save", "--store", "ledger.sqlite")
    printed = {row["messageId"] for row in rows(done.stdout)}
    stored = {row["messageId"] for row in rows(ticktrail("messages", "--store", "ledger.sqlite").stdout)}
    assert stored == printed
    assert "4 messages: 4 inserted" in done.stderr


def test_track_prints_one_history_and_names_what_is_wrong(ticktrail: Ticktrail) -> None:
    """``track`` prints a message's history; an unknown one is ``not_found``, another person's ``wa_id_mismatch``."""
    message_id, one = next((name, one) for name, one in EXPECTED.items() if one["statusCount"] == 3)
    options = ("--from", str(CORPUS), "--executions", "2000")
    done = ticktrail("track", one["conversation_id"], message_id, *options)
    assert done.returncode == 0, done.stderr
    history = rows(done.stdout)[0]["statusHistory"]
    assert isinstance(history, list)
    assert [(entry["status"], entry["timestamp"]) for entry in history] == [
        (event["status"], event["timestamp"]) for event in one["events"] for _ in range(event["webhooks"])
    ]
    unknown = ticktrail("track", one["conversation_id"], "wamid.NOT-THERE", *options)
    assert (unknown.returncode, rows(unknown.stdout)[0]["latestStatus"]) == (3, "not_found")
    other = ticktrail("track", "966500009999", message_id, *options)
    assert (other.returncode, rows(other.stdout)[0]["latestStatus"]) == (3, "wa_id_mismatch")


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "said"),
    [
        (["messages", "--since", "31/12"], {}, 2, "31/12"),
        (["messages", "--updated-within", "soon"], {}, 2, "soon"),
        (["messages"], {"TICKTRAIL_TIMEZONE": "Mars/Olympus"}, 2, "TICKTRAIL_TIMEZONE"),
        (["messages", "--unread", "--status", "failed"], {}, 2, "--unread"),
        (["messages", "--store", "postgres://host/db"], {}, 2, "--store"),
        (["messages", "--store", "."], {}, 2, "folder"),
        (["sync", "--from", "not-there.jsonl"], {}, 2, "not-there.jsonl"),
        (["sync"], {}, 2, "N8N_BASE_URL"),
        (["sync"], NOBODY_THERE, 1, "127.0.0.1:9"),
        (["messages", "--store", "mongodb://anna:hush-hush-hush@127.0.0.1:9/db"], {}, 1, "127.0.0.1:9"),
        (["nonsense"], {}, 2, "nonsense"),
        (["messages", "--limit", "many"], {}, 2, "--limit"),
        (["init"], {}, 2, "--url"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line_with_a_remedy(
    ticktrail: Ticktrail, home: Path, arguments: list[str], environ: dict[str, str], code: int, said: str
) -> None:
    """A wrong argument or setting, a dead server: the right exit code, the thing named, no traceback, no secret."""
    done = ticktrail(*arguments, **environ)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "hush-hush-hush" not in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) <= 6


def test_a_file_that_is_no_store_is_left_alone(ticktrail: Ticktrail, home: Path) -> None:
    """Another program's database is refused by name, and not changed."""
    with sqlite3.connect(home / "other.db") as connection:
        connection.execute("CREATE TABLE message (a)")
    connection.close()
    before = (home / "other.db").read_bytes()
    done = ticktrail("sync", "--from", str(CORPUS), "--store", "other.db")
    assert done.returncode != 0
    assert "other.db" in done.stderr
    assert (home / "other.db").read_bytes() == before


@pytest.mark.skipif(os.name == "nt", reason="there is no head")
def test_a_reader_that_stops_early_is_no_error(ticktrail: Ticktrail, recorded_store: str, home: Path) -> None:
    """``ticktrail messages | head -1`` ends quietly."""
    import subprocess  # noqa: PLC0415

    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m ticktrail messages --store {recorded_store} | head -1'],
        capture_output=True,
        text=True,
        cwd=home,
        check=False,
    )
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


def test_version_and_help(ticktrail: Ticktrail) -> None:
    """``--version`` names the version, ``--help`` every command."""
    assert ticktrail("--version").stdout.startswith("ticktrail 0.")
    shown = ticktrail("--help").stdout
    for command in ("demo", "init", "sync", "messages", "message", "list", "track"):
        assert f"\n  {command} " in shown


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_the_store_is_readable_by_its_owner_alone(recorded_store: str, home: Path) -> None:
    """A store holds people's numbers: others on the machine cannot read the file."""
    assert stat.S_IMODE((home / recorded_store).stat().st_mode) & 0o077 == 0
