"""``ticktrail receive`` with short waits, to be killed: ``python -m tests.torture.receiver_child --port N``."""

from __future__ import annotations

import faulthandler
import signal
import sys
from unittest import mock

from ticktrail.cli.app import run
from ticktrail.receiver import forwarding

_QUICKER = 50


def main() -> int:
    """Run the command with waits and time limits that are a fraction of the real ones; SIGUSR1 shows its stacks."""
    faulthandler.register(signal.SIGUSR1)
    wait_after = forwarding.wait_after
    with (
        mock.patch.object(forwarding, "wait_after", lambda attempts, **more: wait_after(attempts, **more) / _QUICKER),
        mock.patch.object(forwarding, "_TIMEOUT_SECONDS", 0.4),
    ):
        return run(["receive", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
