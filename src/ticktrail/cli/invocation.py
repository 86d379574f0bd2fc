"""Write commands as this user types them: with the program's path and the store that was named."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

_COMMAND = re.compile(r"(?<![\w./\\-])(?<!-m )ticktrail ([a-z-]+)")
_WITHOUT_STORE = frozenset({"demo", "errors"})

_typed_store: list[str] = []
"""The store that the user named with ``--store``, so that the next command names it too; empty for none."""


def remember_store(url: str | None) -> None:
    """Add ``--store`` to the commands that are printed from now on; a URL with a password is not repeated."""
    _typed_store[:] = [url] if url and "@" not in url else []


@cache
def program() -> str:
    """Return what to type to start this Ticktrail: ``ticktrail`` where the shell finds it, else its path."""
    own = Path(sys.executable).with_name("ticktrail.exe" if os.name == "nt" else "ticktrail")
    if not own.exists():
        return f"{quoted(sys.executable or 'python')} -m ticktrail"
    found = shutil.which("ticktrail")
    if found is not None and Path(found).resolve() == own.resolve():
        return "ticktrail"
    try:
        return quoted(str(own.relative_to(Path.cwd())))
    except (ValueError, OSError):
        return quoted(str(own))


def as_typed(text: str) -> str:
    """Return a text with every ``ticktrail COMMAND`` in it as the user can type it: program, ``--store`` and all."""
    store = "" if "--store" in text else "".join(f" --store {quoted(url)}" for url in _typed_store)
    return _COMMAND.sub(lambda found: f"{program()} {found[1]}{'' if found[1] in _WITHOUT_STORE else store}", text)


def quoted(word: str) -> str:
    """Return a word of a command line, in quotes where a shell would not take it as it is."""
    if os.name == "nt":
        return f'"{word}"' if re.search(r"[\s&|<>^()]", word) else word
    return shlex.quote(word)
