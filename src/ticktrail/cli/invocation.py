"""How the user starts this Ticktrail, so that every printed command can be typed as it stands."""

from __future__ import annotations

import os
import re
import shutil
import sys
from functools import cache
from pathlib import Path

_COMMAND = re.compile(r"(?<![\w./\\-])(?<!-m )ticktrail (?=[a-z-])")


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
    """Return a text with every ``ticktrail COMMAND`` in it as the user can type it."""
    return text if program() == "ticktrail" else _COMMAND.sub(lambda _: f"{program()} ", text)


def quoted(word: str) -> str:
    """Return a word of a command line, in quotes where a shell would split it."""
    return f'"{word}"' if " " in word else word
