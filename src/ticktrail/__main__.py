"""``python -m ticktrail`` and the ``ticktrail`` command."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line and exit."""
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        # While modules load, Ctrl-C ends the process at once instead of raising in the middle of an import.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from ticktrail.cli.app import main as run  # noqa: PLC0415 - see above

    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
