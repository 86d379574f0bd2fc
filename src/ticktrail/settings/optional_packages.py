"""What to type for a part of Ticktrail that was left out when it was installed."""

from __future__ import annotations

import sys


def install_command(extra: str) -> str:
    """The command that adds an extra to this very installation.

    It names this Python, for another one's pip knows of no Ticktrail; this one's takes the installed package for met,
    and fetches only what the extra needs beside it.
    """
    python = sys.executable or "python"
    quoted = f'"{python}"' if " " in python else python
    return f'{quoted} -m pip install "ticktrail[{extra}]"'
