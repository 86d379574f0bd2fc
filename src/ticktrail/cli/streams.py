"""Standard streams that any text can be written to, and messages for those that cannot be written."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from ticktrail.cli.options import say

_INTERRUPTED = 130
_FAILED = 1
_ASCII_SIGNS = {"…": "~", "·": "|", "—": "-", "→": ">", "\N{MULTIPLICATION SIGN}": "x", "•": "*"}


def run_with_streams(command: Callable[[], int]) -> int:
    """Run a command and return its exit code; a failed write, a closed pipe and Ctrl-C end without a traceback."""
    _prepare_streams()
    try:
        code = command()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) has seen enough, which is not an error.
        _discard_output()
        return 0
    except OSError as error:
        _discard_output()
        say(f"Failed to read or write {error.filename or 'standard output'}: {error.strerror or error}.")
        say("Nothing stored was lost. Check the disk and the output's target, then run the command again.")
        return _FAILED
    except KeyboardInterrupt:
        say("Stopped. Nothing was lost: what was read is stored, and the next run continues.")
        return _INTERRUPTED
    return code


def _prepare_streams() -> None:
    """Make every stream usable: a closed one reads or writes nothing, and no character fails to be written."""
    codecs.register_error("ticktrail", _plain)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Also keeps the number of the closed stream from becoming a database file's.
            descriptor = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - until the exit
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="ticktrail")


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Return signs of equal width for characters that a stream cannot show: our own in ASCII, others as ``?``."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_ASCII_SIGNS.get(one, "?") for one in error.object[error.start : error.end]), error.end


def _discard_output() -> None:
    """Send what is left in stdout to nowhere: Python would fail again when it flushes the stream at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
