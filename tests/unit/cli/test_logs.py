"""Logs of the services: their format, and what they never hold."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ticktrail.cli import logs, options
from ticktrail.cli.options import LogFormat, say
from ticktrail.settings.loading import load_settings

API_KEY = "n8n-api-key-of-the-tests"
SECRETS = {
    "N8N_API_KEY": API_KEY,
    "N8N_HEADERS": "X-Access-Token: header-of-the-tests",
    "MONGODB_URI": "mongodb://user:password-of-the-tests@db.example.com/n8n",
    "TICKTRAIL_DASHBOARD_TOKEN": "token-of-the-tests-0001",
}


@pytest.fixture(autouse=True)
def logging_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what a test configures."""
    root, own = logging.getLogger(), logging.getLogger("ticktrail")
    before = root.handlers[:], root.level, own.level
    monkeypatch.setattr(options, "_write_message", options._write_message)
    yield
    root.handlers[:], root.level, own.level = before


def log_error(*about: object) -> None:
    """Log an error with its traceback, as uvicorn does."""
    error = ValueError(*about)
    logging.getLogger("uvicorn.error").error("A request failed", exc_info=error)


def test_a_line_has_date_level_and_message(capsys: pytest.CaptureFixture[str]) -> None:
    """The time has an offset; a warning and an error say so; a message is one line."""
    logs.configure(LogFormat.text)
    say("Reading 1,020 executions since 2026-11-22 14:30:15.")
    say("n8n does not\nanswer. \x1b[31m", "warning")
    say("The store is gone.", "error")
    lines = capsys.readouterr().err.splitlines()
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"
    assert re.fullmatch(rf"{time} INFO    Reading 1,020 executions since 2026-11-22 14:30:15\.", lines[0])
    assert re.fullmatch(rf"{time} WARNING n8n does not answer\. \[31m", lines[1])
    assert re.fullmatch(rf"{time} ERROR   The store is gone\.", lines[2])


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Time, level, logger and message, and a traceback where there is one."""
    logs.configure(LogFormat.json)
    say("Syncing.")
    log_error("could not reach 966500000041")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert {name: first[name] for name in ("level", "logger", "message")} == {
        "level": "info",
        "logger": "ticktrail",
        "message": "Syncing.",
    }
    assert (second["level"], second["message"]) == ("error", "A request failed")
    assert "ValueError: could not reach +966 50 ••• ••41" in second["traceback"]


@pytest.mark.parametrize("form", LogFormat)
def test_no_secret_and_no_phone_number_is_logged(
    form: LogFormat, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Secrets of the settings, phone numbers and message ids are masked, in messages and in tracebacks."""
    logs.configure(form)
    logs.hide_secrets(load_settings({}, SECRETS, tmp_path))
    secrets = [API_KEY, "header-of-the-tests", "password-of-the-tests", "token-of-the-tests-0001"]
    personal = ["966500000041", "+966 50 000 0041", "wamid.HBgMOTY2NTAwMDAwMDQx"]
    say(f"n8n answered: {secrets} {personal}")
    log_error(secrets, personal)
    written = capsys.readouterr().err
    assert "ValueError" in written
    for text in (*secrets, *personal):
        assert text not in written


def test_the_path_of_a_file_is_not_a_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A store that is a file is named in the log."""
    logs.configure(LogFormat.text)
    logs.hide_secrets(load_settings({"TICKTRAIL_STORE": str(tmp_path / "a.db")}, {}, tmp_path))
    say(f"Stored in {tmp_path / 'a.db'}.")
    assert "a.db" in capsys.readouterr().err


def test_commands_print_plain_messages(capsys: pytest.CaptureFixture[str]) -> None:
    """Where no log is configured, a message is printed as it is."""
    say("3 messages inserted", "warning")
    assert capsys.readouterr().err == "3 messages inserted\n"
