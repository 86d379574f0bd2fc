"""The command line as a whole: help, groups, exit codes, and streams that cannot be written."""

from __future__ import annotations

import io
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from tests.support import invented_store

from ticktrail.cli import invocation, options
from ticktrail.cli.app import GROUPS, app, run
from ticktrail.stores.opening import open_store

COMMANDS = typer.main.get_command(app).commands


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty home and a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(invocation, "program", lambda: "ticktrail")
    invocation.remember_store(None)
    # A service sends its messages into a log, for as long as the process lives.
    monkeypatch.setattr(options, "_write_message", options._print_message)


def test_without_a_command_the_grouped_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """``ticktrail`` alone exits 0 with the help, in which each group has its commands in order."""
    assert run([]) == 0
    printed = capsys.readouterr().out
    titles = [line.rstrip(":") for line in printed.splitlines() if line[:1].isalpha() and line.endswith(":")]
    assert titles == ["Options", *GROUPS]
    places = [printed.index(f"  {name} ") for names in GROUPS.values() for name in names]
    assert places == sorted(places)


def test_every_command_is_in_one_group() -> None:
    """A new command without a place in the help fails here."""
    names = [name for group in GROUPS.values() for name in group]
    assert sorted(names) == sorted(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_help_of_a_command_is_short_and_never_cut(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The first line has at most 45 characters, and nothing is cut at 80 columns."""
    short = COMMANDS[name].help.split("\n\n")[0]
    assert len(short) <= 46, short  # with its full stop
    assert run([name, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if line.endswith("...") and "[OPTIONS]" not in line]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_help_of_an_option_is_a_phrase(name: str) -> None:
    """A noun phrase or an imperative, without a full stop, for every option and argument."""
    for parameter in COMMANDS[name].params:
        text = parameter.help
        assert text, parameter.name
        assert not text.endswith("."), text


def test_the_overview_fits_into_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """Each command's description is printed whole."""
    run([])
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    for name, command in COMMANDS.items():
        assert command.help.split("\n\n")[0] in printed, name


class _FullDisk:
    """A stream that fails as a full disk does."""

    encoding = "utf-8"

    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise OSError(28, "No space left on device")

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        raise OSError(9, "Bad file descriptor")


def test_a_full_disk_is_a_message(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A failed write to stdout ends with one sentence and exit code 1."""
    monkeypatch.setattr(sys, "stdout", _FullDisk())
    assert run(["errors", "131026", "--format", "json"]) == 1
    assert "write standard output: No space left on device" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["stdin", "stdout", "stderr"])
def test_a_closed_stream_is_no_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python sets a closed stream to None: the command runs all the same."""
    monkeypatch.setattr(sys, name, None)
    assert run(["errors", "131026"]) == 0
    getattr(sys, name).close()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["messages", "--limit", "9" * 5_000], 2, "--limit"),
        (["messages", "--status", "teleported"], 2, "--status"),
        (["messages", "--since", "1h", "--until", "2h"], 2, "--until"),
        (["messages", ""], 2, "WA_ID"),
        (["stats", "--since", "1h", "--until", "2h"], 2, "--since"),
        (["sync", "--watch", "1e400"], 2, "--watch"),
        (["track", "wamid.abc", "966500000001"], 2, "WA_ID MESSAGE_ID"),
        (["list", " "], 2, "empty"),
        (["messages", "--store", ""], 2, "--store is empty"),
        (["messages", "--store", "http://x"], 2, "--store cannot be used"),
        (["copy", "--to", " "], 2, "--to is empty"),
        (["copy", "--to", "http://x"], 2, "--to cannot be used"),
        (["sync", "--from", ""], 2, "--from is empty"),
        (["backup", "-"], 2, "standard output"),
        (["export", "a.docx"], 2, "file name 'a.docx'"),
        (["messages", "37"], 2, "2 digits are too few"),
        (["messages", "1"], 2, "1 digit is too few"),
        (["stats", "--by", "mood"], 2, "'mood' is not one of 'day'"),
        (["list", "--executions", "0"], 2, "must be greater than or equal to 1."),
        (["sync", "--watch", "often"], 2, "it must be a valid number."),
        (["sync", "--watch", "-5"], 2, "--watch takes the seconds"),
        (["serve", "--host", " "], 2, "--host is empty"),
        (["syncc"], 2, "Did you mean 'sync'?"),
        (["errors", "999999999"], 3, "does not know the code"),
        (["messages"], 3, "ticktrail sync"),
        (["export", "a.csv"], 3, "no store"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code tells usage from absence, and the message names the option as typed."""
    assert run(arguments) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "next_step"),
    [
        (["messages", "--format", "xml"], "Type: ticktrail messages --help"),
        (["sync", "--from"], "Type: ticktrail sync --help"),
        (["--nonsense"], "Type: ticktrail --help"),
    ],
)
def test_a_usage_error_ends_with_the_help_to_type(
    arguments: list[str], next_step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two lines: the mistake, and the command that shows what is right."""
    assert run(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert (len(lines), lines[-1]) == (2, next_step)


def test_an_ascii_stream_shows_signs_of_the_same_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns stay aligned, and a cut text is still marked as cut."""
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii", write_through=True))
    assert run(["--version"]) == 0
    sys.stdout.write("…wMDA2 · 3 \N{MULTIPLICATION SIGN} a → b é")
    assert shown.getvalue().endswith(b"~wMDA2 | 3 x a > b ?")


def test_prune_accepts_any_age_and_a_dry_run_keeps_the_limit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An age before 1970 removes nothing; ``off --dry-run`` keeps the limit; ``--ttl`` is refused for a file."""
    now = datetime.now(UTC)
    invented_store.fill(tmp_path / "a.db", 20, now)
    assert run(["prune", "--older-than", "999999999d", "--yes", "--store", "a.db"]) == 0
    assert "nothing sent before 1970-01-01" in capsys.readouterr().out
    assert run(["prune", "--older-than", "30d", "--yes", "--store", "a.db"]) == 0
    with open_store("a.db") as store:
        limit = store.retention.kept_since(at=now)
        assert run(["prune", "--older-than", "off", "--dry-run", "--store", "a.db"]) == 0
        assert store.retention.kept_since(at=now) == limit
        assert limit
    capsys.readouterr()
    assert run(["prune", "--ttl", "off", "--store", "a.db"]) == 2
    assert "--ttl is for MongoDB" in capsys.readouterr().err


def test_a_device_is_not_replaced_by_an_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``export /dev/null --force`` is refused, because it would replace the device with a file."""
    invented_store.fill(tmp_path / "a.db", 20, datetime.now(UTC))
    assert run(["export", os.devnull, "--format", "csv", "--force", "--store", "a.db"]) == 2
    assert "is not a regular file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "said"), [("abc", "'abc' is too short"), ("+966 50 000 0037", "ticktrail messages '+966 50 000 0037'")]
)
def test_a_word_that_is_no_message_id_is_named(
    typed: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command to type instead has the number in quotes."""
    invented_store.fill(tmp_path / "a.db", 20, datetime.now(UTC))
    monkeypatch.setenv("TICKTRAIL_STORE", "a.db")
    assert run(["message", typed]) == 2
    assert said in capsys.readouterr().err


def test_an_export_names_the_sends_that_it_leaves_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The printed command lists as many sends as were counted: it has the conditions of the export."""
    invented_store.fill(tmp_path / "a.db", 200, datetime.now(UTC), trouble=True)
    assert run(["export", "-", "--since", "7d", "--store", "a.db"]) == 0
    said = capsys.readouterr().err.splitlines()[-1]
    count, command = int(said.split()[0]), said.partition("Type: ticktrail ")[2]
    assert "--since" in command
    assert run(command.split()) == 0
    assert len(capsys.readouterr().out.splitlines()) == count + 1
