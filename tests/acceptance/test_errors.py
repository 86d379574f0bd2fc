"""Failure codes as a user meets them: ``errors``, and the reasons in ``messages`` and ``message``."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.thorough

if TYPE_CHECKING:
    from .conftest import Ticktrail

NOON = 1_767_258_000
LOUD = "\x1b[2J\x1b]0;owned\x07\u202e\r\n"


def status(message: str, name: str, *errors: dict[str, Any], after: int = 0, **more: Any) -> dict[str, Any]:
    """One status of ``wamid.<message>``, as Meta reports it."""
    reported = {
        "id": f"wamid.{message}",
        "status": name,
        "timestamp": str(NOON + after),
        "recipient_id": "966500000001",
        **more,
    }
    return {**reported, "errors": list(errors)} if errors else reported


def error(code: object, title: str, details: str | None = None) -> dict[str, Any]:
    """One of Meta's error objects."""
    return {"code": code, "title": title, "message": title, **({"error_data": {"details": details}} if details else {})}


def execution(number: int, *statuses: dict[str, Any]) -> dict[str, Any]:
    """An execution whose WhatsApp Trigger put out these statuses."""
    item = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550000001", "phone_number_id": "200000000000001"},
        "statuses": list(statuses),
        "field": "messages",
    }
    run = {"startTime": NOON * 1000, "executionTime": 1, "source": [], "data": {"main": [[{"json": item}]]}}
    return {
        "id": str(number),
        "workflowId": "bcHn4wXXcVuTsjYB",
        "status": "success",
        "mode": "webhook",
        "startedAt": "2026-01-01T09:00:00.000Z",
        "data": {"resultData": {"runData": {"WhatsApp Trigger": [run]}}},
    }


UNDELIVERABLE = error(131026, "Message undeliverable", "Receiver is incapable of receiving this message")


@pytest.fixture
def store(ticktrail: Ticktrail, home: Path) -> str:
    """A store with a message for each way to fail."""
    executions = [
        execution(1, status("CAPPED", "sent"), status("CAPPED", "failed", error(131049, "Old title"), after=5)),
        execution(
            2,
            status("BOTH", "failed", UNDELIVERABLE, after=5),
            status("BOTH", "delivered", after=9),
        ),
        execution(3, status("UNKNOWN", "failed", error(999999, "Brand new", "Nobody knows"))),
        execution(4, status("SILENT", "failed")),
        execution(5, status("LOUD", "failed", error(999998, LOUD + "A" * 10_000, LOUD + "B " * 5_000))),
        execution(6, status("LOUDCODE", "failed", error(LOUD + "C" * 5_000, "T"), biz_opaque_callback_data=LOUD)),
        execution(7, status("LOUDSTATUS", LOUD + "D" * 5_000)),
        execution(
            8,
            status("TWICE", "failed", error(131000, "Something went wrong")),
            status("TWICE", "failed", UNDELIVERABLE, after=60),
        ),
    ]
    (home / "export.jsonl").write_text("\n".join(map(json.dumps, executions)))
    done = ticktrail("sync", "--from", "export.jsonl", "--store", "ledger.sqlite")
    assert done.returncode == 0, done.stderr
    return "ledger.sqlite"


def words(text: str) -> str:
    """The text with line breaks and padding as single spaces."""
    return " ".join(text.split())


def test_errors_lists_every_code_in_four_forms(ticktrail: Ticktrail) -> None:
    """``errors`` needs no store; piped it prints JSON Lines, and every format has the same codes in the same order."""
    lines = [json.loads(line) for line in ticktrail("errors").stdout.splitlines()]
    assert len(lines) > 90
    by_code = {line["code"]: line for line in lines if line["last"] is None}
    assert by_code[131049]["wait"] == 86_400
    assert by_code[131026]["wait"] is None
    assert json.loads(ticktrail("errors", "--format", "json").stdout) == lines
    as_csv = list(csv.DictReader(io.StringIO(ticktrail("errors", "--format", "csv").stdout)))
    assert [row["code"] for row in as_csv] == [str(line["code"]) for line in lines]
    assert [row["advice"] for row in as_csv] == [line["advice"] for line in lines]
    table = ticktrail("errors", "--format", "table")
    assert "131026 Message undeliverable no recipient when many" in words(table.stdout)
    assert "200-299" in table.stdout
    assert "ticktrail errors 131026" in table.stderr


def test_errors_explains_one_code_in_full(ticktrail: Ticktrail) -> None:
    """``errors 131026`` says what it means, what to do, whom it concerns and whether to send again."""
    done = ticktrail("errors", "131026", "--format", "table")
    assert done.returncode == 0, done.stderr
    for part in ("131026 Message undeliverable", "advice", "another channel", "again no:", "concerns this person"):
        assert part in words(done.stdout)
    capped = words(ticktrail("errors", "131049", "--format", "table").stdout)
    assert "again yes, after 24 h" in capped
    assert json.loads(ticktrail("errors", "250").stdout)["title"] == "API permission missing"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("999999", "Ticktrail does not know the code 999999. Messages that failed with it are counted as usual"),
        ("13126", "Similar codes: 131026 Message undeliverable"),
        ("payment", "payment is not a failure code. Similar codes: 131042 Payment problem"),
        ("\x1b[2J", "[2J is not a failure code. All codes:"),
        ("", "An empty text is not a failure code."),
    ],
)
def test_errors_of_an_unknown_code_is_not_found(ticktrail: Ticktrail, typed: str, said: str) -> None:
    """An unlisted code exits 3, with the nearest codes and where to look on stderr and an empty stdout."""
    done = ticktrail("errors", typed)
    assert (done.returncode, done.stdout) == (3, "")
    assert said in words(done.stderr)
    assert "developers.facebook.com" in done.stderr
    assert "\x1b" not in done.stderr


def test_a_failed_message_shows_the_reason_and_the_advice(ticktrail: Ticktrail, store: str) -> None:
    """``message`` says why it failed in the catalogue's words, what to do, and whether to send again."""
    shown = words(ticktrail("message", "wamid.CAPPED", "--store", store, "--format", "table").stdout)
    assert "Failed 2026-01-01 12:00: Held back to keep people engaged (131049)." in shown
    assert "advice Meta limits how much marketing a person gets" in shown
    assert "again yes, after 24 h" in shown
    assert shown.count("Meta limits how much") == 1


def test_a_message_that_failed_and_arrived_is_told_in_one_sentence(ticktrail: Ticktrail, store: str) -> None:
    """A conflict reads: delivered, although WhatsApp also reported an error (131026); nothing is to do."""
    shown = words(ticktrail("message", "wamid.BOTH", "--store", store, "--format", "table").stdout)
    assert "Delivered 2026-01-01 12:00, although WhatsApp also reported an error (131026); not read yet." in shown
    assert "error 131026 Message undeliverable WhatsApp Receiver is incapable of receiving this message" in shown
    assert "nothing to do" in shown
    table = ticktrail("messages", "--store", store, "--format", "table", COLUMNS="160").stdout
    assert "delivered, although WhatsApp also reported an error (131026)" in table


def test_a_message_with_an_unknown_code_shows_what_whatsapp_said(ticktrail: Ticktrail, store: str) -> None:
    """An unknown code keeps Meta's own title and details, and the advice says that it is unknown and counted."""
    shown = words(ticktrail("message", "wamid.UNKNOWN", "--store", store, "--format", "table").stdout)
    assert ": Brand new (999999). WhatsApp Nobody knows advice Ticktrail does not know this code" in shown
    assert "again not known" in shown
    silent = words(ticktrail("message", "wamid.SILENT", "--store", store, "--format", "table").stdout)
    assert "no reason given. advice WhatsApp reported the failure without a code" in silent


def test_every_failure_of_a_history_has_its_reason(ticktrail: Ticktrail, store: str) -> None:
    """A message that failed twice shows both reasons in its timeline, and advice on the one not advised on above."""
    shown = words(ticktrail("message", "wamid.TWICE", "--store", store, "--format", "table").stdout)
    top, timeline = shown.split("workflow bcHn4wXXcVuTsjYB")
    assert "Message undeliverable (131026)" in top
    assert "131000 Something went wrong at Meta Send it again, a few times at most" in timeline
    assert timeline.endswith("131026 Message undeliverable")


def test_the_documents_stay_as_they_are(ticktrail: Ticktrail, store: str) -> None:
    """JSON has Meta's own code, title and details, and no advice."""
    document = json.loads(ticktrail("message", "wamid.BOTH", "--store", store).stdout)
    assert document["failure"] == {
        "code": 131026,
        "title": "Message undeliverable",
        "details": "Receiver is incapable of receiving this message",
    }
    assert "advice" not in json.dumps(document)


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 160])
def test_what_strangers_send_cannot_break_the_screen(ticktrail: Ticktrail, store: str, columns: int) -> None:
    """Escape codes, direction marks and 10 KB titles leave every line in the terminal's width and without controls."""
    shown = [ticktrail("messages", "--store", store, "--format", "table", COLUMNS=str(columns)).stdout]
    for name in ("LOUD", "LOUDCODE", "LOUDSTATUS"):
        done = ticktrail("message", f"wamid.{name}", "--store", store, "--format", "table", COLUMNS=str(columns))
        assert done.returncode == 0, done.stderr
        assert len(done.stdout) < 6_000
        shown.append(done.stdout)
    for line in "\n".join(shown).splitlines():
        assert len(line) <= columns
        assert line.isprintable()
    table = words(shown[0])
    assert table.count("failed") == 6
    for reason in ("131026 Mess", "131049 Held", "999999 Bran", "no reason"):
        assert reason in table


def test_own_advice_from_the_users_file(ticktrail: Ticktrail, store: str, home: Path) -> None:
    """``ticktrail.toml`` in the working directory, or where TICKTRAIL_CONFIG says, goes over the packaged words."""
    own = '[error_codes.131049]\nadvice = "Ask Sara."\n\n[error_codes.999999]\ntitle = "Our gateway said no"\n'
    (home / "other.toml").write_text(own)
    told = words(ticktrail("errors", "131049", "--format", "table", TICKTRAIL_CONFIG="other.toml").stdout)
    assert "advice Ask Sara. again yes, after 24 h" in told
    assert "Ask Sara." not in ticktrail("errors", "131049").stdout
    (home / "ticktrail.toml").write_text(own)
    assert "advice Ask Sara." in words(
        ticktrail("message", "wamid.CAPPED", "--store", store, "--format", "table").stdout
    )
    assert "999999 Our gateway said no" in ticktrail("messages", "--store", store, "--format", "table").stdout
    assert json.loads(ticktrail("errors", "999999").stdout)["own"] is True


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[error_codes.131026]\nretry = "later"\n',
            "[error_codes.131026]: retry is later. Use one of never, now, after",
        ),
        ("[error_codes.131026\n", "is not TOML"),
        ("error_codes = 3\n", "error_codes is not a table"),
    ],
)
def test_a_malformed_file_of_the_users_is_refused(ticktrail: Ticktrail, home: Path, text: str, said: str) -> None:
    """A malformed ``ticktrail.toml`` exits 2 and names the file, the key and what it should be."""
    (home / "ticktrail.toml").write_text(text)
    done = ticktrail("errors")
    assert (done.returncode, done.stdout) == (2, "")
    assert "ticktrail.toml" in done.stderr
    assert said in words(done.stderr)


def test_a_file_that_windows_wrote_is_read(ticktrail: Ticktrail, home: Path) -> None:
    """Notepad's byte order mark and line ends do no harm."""
    (home / "ticktrail.toml").write_bytes('\ufeff[error_codes.131026]\r\nadvice = "اتصل بالعميل."\r\n'.encode())
    done = ticktrail("errors", "131026")
    assert json.loads(done.stdout)["advice"] == "اتصل بالعميل."
