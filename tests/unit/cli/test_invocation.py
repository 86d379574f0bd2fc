"""Printed commands can be typed as they stand."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from ticktrail.cli import invocation


@pytest.fixture(autouse=True)
def forget_the_answers() -> None:
    """The answers are remembered for the process."""
    invocation.program.cache_clear()
    invocation.remember_store(None)


def _install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = folder / "bin" / "ticktrail"
    program.parent.mkdir(parents=True)
    program.touch()
    monkeypatch.setattr(sys, "executable", str(program.with_name("python")))
    monkeypatch.setattr(invocation.os, "name", "posix")
    return program


def test_an_installed_program_is_typed_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell finds this very program, directly or by a link (uv tool, pipx)."""
    program = _install(tmp_path, monkeypatch)
    link = tmp_path / "ticktrail"
    link.symlink_to(program)
    monkeypatch.setattr(shutil, "which", lambda _: str(link))
    assert invocation.as_typed("Type: ticktrail sync") == "Type: ticktrail sync"


def test_in_a_checkout_the_path_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell finds no program, or another one."""
    _install(tmp_path / ".venv", monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert invocation.as_typed("Type: ticktrail sync, then ticktrail doctor.") == (
        "Type: .venv/bin/ticktrail sync, then .venv/bin/ticktrail doctor."
    )
    for kept in ("See ticktrail.toml", "/a/ticktrail sync", "python -m ticktrail sync", "Ticktrail reads"):
        assert invocation.as_typed(kept) == kept


def test_without_a_program_python_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path with a space is quoted."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "a folder" / "python"))
    assert invocation.program() == f"'{tmp_path}/a folder/python' -m ticktrail"


def test_the_store_that_was_typed_is_in_the_next_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command for another store than the configured one would answer for the wrong one; passwords stay hidden."""
    program = _install(tmp_path, monkeypatch)
    monkeypatch.setattr(shutil, "which", lambda _: str(program))
    invocation.remember_store("a b.sqlite")
    assert invocation.as_typed("Type: ticktrail sync --full, or: ticktrail errors 190") == (
        "Type: ticktrail sync --store 'a b.sqlite' --full, or: ticktrail errors 190"
    )
    assert invocation.as_typed("ticktrail serve --store c.sqlite") == "ticktrail serve --store c.sqlite"
    invocation.remember_store("mongodb://db.example.com/n8n?replicaSet=a&w=1")
    assert (
        invocation.as_typed("ticktrail sync")
        == "ticktrail sync --store 'mongodb://db.example.com/n8n?replicaSet=a&w=1'"
    )
    invocation.remember_store("mongodb://user:secret@db.example.com/n8n")
    assert invocation.as_typed("ticktrail sync") == "ticktrail sync"
