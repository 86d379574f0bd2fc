#!/usr/bin/env python3
"""Keeps the older command lines working, cron entries included; what they do is in ``ticktrail.cli.legacy_script``.

    python3 track_message_status.py [WA_ID] [MESSAGE_ID] [--limit 200] [--max-messages 10] [--since UNIX]
                                    [--save-to-mongodb]

Runs with any Python 3: when Ticktrail is not installed for it, with the one in ``.venv`` (made by ``make setup``).
"""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    """Run here when Ticktrail is installed here, else in the project's own environment."""
    try:
        from ticktrail.cli.legacy_script import main as run
    except (ImportError, SyntaxError):
        folder, name = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
        python = os.path.join(HERE, ".venv", folder, name)
        if not os.path.exists(python) or os.path.realpath(sys.prefix) == os.path.join(HERE, ".venv"):
            sys.exit("Ticktrail is not installed for this Python. Type: make -C %s setup   (once)" % HERE)
        return subprocess.call([python, os.path.abspath(__file__)] + sys.argv[1:])
    return run(script_folder=HERE)


if __name__ == "__main__":
    sys.exit(main())
