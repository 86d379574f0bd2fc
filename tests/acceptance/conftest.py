"""Runs the installed command as a user does: a process of its own, in an empty folder, with a bare environment."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest
from tests.support.patience import PATIENCE_SECONDS

DATA = Path(__file__).parents[1] / "data" / "n8n-2.41.1"
CORPUS = DATA / "corpus_400_messages.jsonl.gz"


class Ticktrail(Protocol):
    """Runs one command line."""

    def __call__(self, *arguments: str, typed: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        """``environ`` adds to the bare environment, ``typed`` is standard input."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is home, working directory and everything else."""
    folder = tmp_path / "a home"
    folder.mkdir()
    return folder


@pytest.fixture
def bare_environment(home: Path) -> dict[str, str]:
    """Environment of a fresh login: UTF-8, and no setting of Ticktrail."""
    return _environment(home)


def _environment(home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    return {
        **kept,
        "HOME": str(home),
        "USERPROFILE": str(home),
        "LOCALAPPDATA": str(home),
        "PYTHONUTF8": "1",
        "PYTHONWARNINGS": "error",
        "COLUMNS": "120",
    }


@pytest.fixture
def ticktrail(home: Path, bare_environment: dict[str, str]) -> Ticktrail:
    """The command, as installed for this Python."""
    return runner([sys.executable, "-m", "ticktrail"], home, bare_environment)


@pytest.fixture(scope="session")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Syncs an export into a new store, each export once. Tests work with copies."""
    folder = tmp_path_factory.mktemp("synced")
    run = runner([sys.executable, "-m", "ticktrail"], folder, _environment(folder))

    @functools.cache
    def sync(export: Path) -> Path:
        done = run("sync", "--from", str(export), "--store", f"{export.name}.sqlite")
        assert done.returncode == 0, done.stderr
        return folder / f"{export.name}.sqlite"

    return sync


@pytest.fixture
def recorded_store(synced: Callable[[Path], Path], home: Path) -> str:
    """A store that holds the 400 recorded messages, as a sync left it."""
    shutil.copy(synced(CORPUS), home / "ledger.sqlite")
    return "ledger.sqlite"


def runner(command: list[str], home: Path, bare: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function that runs ``command`` with arguments in ``home``."""

    def run(*arguments: str, typed: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments],
            input=typed or "",
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=home,
            env={**bare, **environ},
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    return run
