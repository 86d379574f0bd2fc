"""Who holds a lease: a name for this process, and whether the process behind a name is known to be gone."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from pathlib import Path


def new_holder() -> str:
    """A name for somebody in this process: another one each time."""
    return f"{_place()}/{os.getpid()}/{secrets.token_hex(8)}"


def is_gone(holder: str) -> bool:
    """Whether the process that made a name has ended; False where that cannot be known from here.

    It can where both run on one machine, and see the same processes. A process id that was given anew makes it
    look alive: then the lease runs out by itself.
    """
    place, _, rest = holder.rpartition("/")[0].rpartition("/")
    if not place or place != _place() or not rest.isdigit() or sys.platform == "win32":
        # Windows has no question that does no harm: signal 0 is a key press there.
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _place() -> str:
    """This machine and, on Linux, the part of its processes that can be seen: containers may share a host's name."""
    try:
        seen = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        seen = ""
    return f"{socket.gethostname()}/{seen}"
