"""``python -m ticktrail`` and the ``ticktrail`` command."""

from __future__ import annotations

from ticktrail.cli.app import main

if __name__ == "__main__":
    main()
