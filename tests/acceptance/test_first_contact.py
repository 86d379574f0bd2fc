"""The first commands of a new user, typed as documented."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.conftest import CORPUS, Ticktrail
from tests.support.patience import PATIENCE_SECONDS

DATA = Path(__file__).parents[1] / "data" / "n8n-2.41.1"
ROOT = Path(__file__).parents[2]

_INTERRUPTED_IMPORT = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "ticktrail.cli.options":
            os.kill(os.getpid(), signal.SIGINT)

# A test run in the background of a shell ignores SIGINT, and so would this process.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupt())
from ticktrail.__main__ import main
main()
"""


@pytest.fixture
def store(ticktrail: Ticktrail) -> str:
    """A store with the 400 recorded messages."""
    assert ticktrail("sync", "--from", str(CORPUS), "--store", "a.sqlite").returncode == 0
    return "a.sqlite"


def test_alone_it_prints_the_grouped_help(ticktrail: Ticktrail) -> None:
    """``ticktrail`` without a command is no traceback and no error."""
    done = ticktrail(COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.index("Start:") < done.stdout.index("Collect:") < done.stdout.index("Maintain:")


def test_status_before_and_after_the_first_import(ticktrail: Ticktrail) -> None:
    """``status`` says where the store is, what it holds, and what to type next."""
    before = ticktrail("status", "--store", "a.sqlite")
    assert before.returncode == 0
    assert "none yet" in before.stdout
    assert re.search(r"Next step: +\S.*ticktrail init", before.stdout)
    ticktrail("sync", "--from", str(CORPUS), "--store", "a.sqlite")
    after = ticktrail("status", "--store", "a.sqlite")
    assert "400 messages" in after.stdout
    document = json.loads(ticktrail("status", "--store", "a.sqlite", "--format", "json").stdout)
    assert (document["exists"], document["messages"], document["workflows"]) == (True, 400, [])


def test_forgetting_somebody_unknown_changes_nothing(ticktrail: Ticktrail, store: str, home: Path) -> None:
    """Exit 3, similar numbers, and not one byte written."""
    before = (home / store).read_bytes()
    done = ticktrail("forget", "966500000999", "--yes", "--store", store)
    assert done.returncode == 3
    assert "966500000099" in done.stderr
    assert (home / store).read_bytes() == before


def test_a_message_by_the_ending_of_its_id(ticktrail: Ticktrail, store: str) -> None:
    """The ending that a narrow table shows names the message; an ambiguous one names several."""
    table = ticktrail("messages", "--limit", "3", "--format", "table", "--store", store, COLUMNS="80").stdout
    endings = re.findall(r"…(\S{8,})", table)
    assert len(endings) == 3
    for ending in endings:
        found = ticktrail("message", ending, "--format", "json", "--store", store)
        assert json.loads(found.stdout)[0]["messageId"].endswith(ending)
    assert "is too short" in ticktrail("message", "0=", "--store", store).stderr
    assert ticktrail("message", "no-such-ending", "--store", store).returncode == 3


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_a_narrow_table_loses_no_column(ticktrail: Ticktrail, store: str, columns: int) -> None:
    """Time sent, recipient, status, reason and the end of the id are there at any width."""
    done = ticktrail(
        "messages", "--status", "failed", "--limit", "2", "--format", "table", "--store", store, COLUMNS=str(columns)
    )
    assert max(map(len, done.stdout.splitlines())) <= columns
    for part in (r"2025-12-30 \d\d:\d\d", r"9665\d{8}", "failed", r"131\d{3}", r"(?:…|wamid\.)\S{8,}="):
        assert len(re.findall(part, done.stdout)) == 2, (part, done.stdout)


def test_an_import_without_executions_is_not_found(ticktrail: Ticktrail, home: Path) -> None:
    """A file in which nothing is an execution: exit 3, and what --from takes."""
    (home / "bad.json").write_text('{"a": 1}')
    done = ticktrail("sync", "--from", "bad.json", "--store", "a.sqlite")
    assert done.returncode == 3
    assert "--from takes" in done.stderr


def test_a_conversation_by_last_digits(ticktrail: Ticktrail, store: str) -> None:
    """``conversation`` understands what ``messages`` does."""
    rows = ticktrail("conversation", "0041", "--store", store).stdout.splitlines()
    same = ticktrail("conversation", "+966 (50) 000\u20110041", "--store", store).stdout.splitlines()
    assert rows == same
    assert rows


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    ("ending", "code"), [("| head -1", 0), ("> /dev/full", 1), (">&-", 0), ("2>&-", 0), ("<&-", 0)]
)
def test_streams_that_end_early(
    store: str, home: Path, bare_environment: dict[str, str], ending: str, code: int
) -> None:
    """A reader that stops, a full disk and a closed stream end in no traceback."""
    if "full" in ending and not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    line = f"set -o pipefail; {shlex.quote(sys.executable)} -m ticktrail messages --store {store} {ending}"
    done = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        cwd=home,
        env=bare_environment,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_an_interruption_while_it_starts_is_no_traceback(home: Path, bare_environment: dict[str, str]) -> None:
    """Ctrl-C in the middle of an import ends the process without a word."""
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED_IMPORT],
        capture_output=True, text=True, cwd=home, env=bare_environment, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGINT
    assert done.stderr == ""


def test_the_older_script_finds_the_env_beside_itself(
    home: Path, bare_environment: dict[str, str], tmp_path: Path
) -> None:
    """A cron entry that names the script by its path works from any folder."""
    folder = tmp_path / "script"
    folder.mkdir()
    (folder / "track_message_status.py").write_text((ROOT / "track_message_status.py").read_text(encoding="utf-8"))
    (folder / ".env").write_text("N8N_BASE_URL=http://127.0.0.1:9\nN8N_API_KEY=abc\nWORKFLOW_ID_WHATSAPP=beside\n")
    done = subprocess.run(
        [sys.executable, str(folder / "track_message_status.py"), "--limit", "1"],
        capture_output=True, text=True, cwd=home, env={**bare_environment, "no_proxy": "*"},
        timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert "newest 1 executions of beside" in done.stderr


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a folder that this user cannot write")
def test_the_demo_needs_no_writable_home(ticktrail: Ticktrail, home: Path) -> None:
    """Where the home folder is read-only, the demonstration is stored in a temporary folder, and says so."""
    home.chmod(0o500)
    try:
        done = ticktrail("demo", "--format", "jsonl")
    finally:
        home.chmod(0o700)
    assert done.returncode == 0, done.stderr
    assert "instead" in done.stderr


def test_the_demo_works_without_a_home(ticktrail: Ticktrail) -> None:
    """A home that does not exist is no obstacle."""
    done = ticktrail("demo", "--format", "jsonl", HOME="/nowhere/at-all", XDG_CACHE_HOME="/dev/null/cache")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 8
