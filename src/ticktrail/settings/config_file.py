"""``ticktrail.toml``, the user's own file beside ``.env``: read into plain tables, which their owners check."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from ticktrail.errors import SettingsError
from ticktrail.settings.environment import read_text


def read_config_file(path: Path) -> dict[str, Any]:
    """The tables of the file.

    Raises:
        SettingsError: it cannot be read, or is no TOML; the message says where.
    """
    try:
        return tomllib.loads(read_text(path))
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read: {error.strerror}.", remedy="Let this user read it, or remove it."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"{path} is not TOML: {str(error).rstrip('.')}.",
            remedy="Text stands in straight quotes, and a table begins with its name in brackets: [error_codes.131026]",
        ) from None
