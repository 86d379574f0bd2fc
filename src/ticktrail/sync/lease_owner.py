"""Identity of a lease holder: a name for this process, and whether the process behind a name has ended."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from pathlib import Path


def new_holder() -> str:
    """Return a new name for a lease holder in this process: ``host/process namespace/process id/random``."""
    return f"{_machine()}/{os.getpid()}/{secrets.token_hex(8)}"


def is_gone(holder: str) -> bool:
    """Return True when the process that made a name has ended, False where that cannot be known from here.

    It can be known where both run on one machine and see the same processes. When the process id was reused, the
    holder looks alive; then the lease runs out by itself.
    """
    machine, _, process = holder.rpartition("/")[0].rpartition("/")
    if not machine or machine != _machine() or not process.isdigit() or sys.platform == "win32":
        # Windows has no harmless signal: signal 0 is a key press there.
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def holder_text(holder: str) -> str:
    """Return the process and host of a holder for people: ``process 4123 on web-1``; the name itself if unknown."""
    machine, _, process = holder.rpartition("/")[0].rpartition("/")
    host = machine.rpartition("/")[0]
    return f"process {process} on {host}" if host and process.isdigit() else holder


def _machine() -> str:
    """This host and, on Linux, its process namespace: containers may share the name of a host."""
    try:
        namespace = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        namespace = ""
    return f"{socket.gethostname()}/{namespace}"
