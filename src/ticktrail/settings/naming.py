"""What figures take from ``ticktrail.toml``: names of sending numbers, and where a campaign's name stands.

campaign_key = "campaign"

[numbers]
"106540352242922" = "Support"
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from ticktrail.errors import SettingsError
from ticktrail.settings.config_file import read_config_file


class Naming(msgspec.Struct, frozen=True):
    """The user's own names.

    Attributes:
        numbers: by phone number id, or by the number in digits.
        campaign_key: the key of the campaign's name where ``callbackData`` is a JSON object.
    """

    numbers: Mapping[str, str] = {}
    campaign_key: str | None = None


def read_naming(path: Path | None) -> Naming:
    """The names in a file; none without a file.

    Raises:
        SettingsError: it cannot be read, is no TOML, or says something else where a name should stand.
    """
    if path is None:
        return Naming()
    content = read_config_file(path)
    numbers, key = content.get("numbers", {}), content.get("campaign_key")
    if not isinstance(numbers, dict) or not all(isinstance(name, str) for name in numbers.values()):
        raise SettingsError(
            f"In {path}, [numbers] does not give each number a name.",
            remedy='It should look like this: [numbers], and below it "106540352242922" = "Support"',
        )
    if key is not None and not (isinstance(key, str) and key):
        raise SettingsError(
            f"In {path}, campaign_key is no text.", remedy='It should look like this: campaign_key = "campaign"'
        )
    return Naming({_plain(number): name for number, name in numbers.items()}, key)


def _plain(number: str) -> str:
    """A number as Meta writes it: without the plus, spaces and hyphens that people type."""
    return "".join(character for character in number if character not in "+ -()")
