"""The command that installs an optional part of Ticktrail, for the way in which Ticktrail was installed."""

from __future__ import annotations

import importlib.util
import json
import sys
from importlib import metadata
from pathlib import Path


def install_command(extra: str) -> str:
    """Return the command that adds an extra to this very installation.

    uv's and pipx's tools are installed again with the extra. In an environment that uv made, which has no pip, it is
    uv that installs; in any other, this Python's own pip.
    """
    prefix = Path(sys.prefix)
    if (prefix / "uv-receipt.toml").exists():
        return f'uv tool install --force "{_with_address(extra)}"'
    if (prefix / "pipx_metadata.json").exists():
        return f'pipx install --force "{_with_address(extra)}"'
    python = sys.executable or "python"
    quoted = f'"{python}"' if " " in python else python
    # Both take the installed Ticktrail as it is, and fetch only what the extra needs beside it.
    if importlib.util.find_spec("pip") is None:
        return f'uv pip install --python {quoted} "ticktrail[{extra}]"'
    return f'{quoted} -m pip install "ticktrail[{extra}]"'


def _with_address(extra: str) -> str:
    """Return the requirement that names this Ticktrail with an extra: with its address if it came from one."""
    try:
        text = metadata.distribution("ticktrail").read_text("direct_url.json")
        url = json.loads(text)["url"] if text else None
    except (metadata.PackageNotFoundError, ValueError, KeyError):
        url = None
    return f"ticktrail[{extra}] @ {url}" if url else f"ticktrail[{extra}]"
