"""Runs the installed command as a user does: a process of its own, in an empty folder, with a bare environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest
from tests.support.patience import PATIENCE_SECONDS

DATA = Path(__file__).parents[1] / "data" / "n8n-2.41.1"


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
