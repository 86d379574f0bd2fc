"""``ticktrail.toml``, the user's own file beside ``.env``: read once into one typed value.

campaign_key = "campaign"    # the key of the campaign in a callbackData that is a JSON object
region = "SA"                # the country whose numbers are dialled without a calling code

[numbers]                    # names of sending numbers, by phone number id or number
"106540352242922" = "Support"

[error_codes.131026]         # own advice on failures, see ticktrail.messages.error_codes
[alerts]                     # see ticktrail.settings.alert_rules
[[channels]]                 # see ticktrail.settings.channels
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from ticktrail.errors import ConfigurationError, SettingsError
from ticktrail.messages.error_codes import TABLE, Catalogue, packaged
from ticktrail.settings.alert_rules import Rules, parse_rules
from ticktrail.settings.channels import ChannelTable, parse_channels
from ticktrail.settings.environment import read_text
from ticktrail.settings.settings import Settings
from ticktrail.settings.toml_values import check_keys, table_of, text_of
from ticktrail.text.phone_numbers import person_id


class UserFile(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that ``ticktrail.toml`` sets.

    Attributes:
        campaign_key: the key of the campaign in a ``callbackData`` that is a JSON object.
        region: ISO code of the country in which numbers without a calling code are dialled.
        numbers: names of sending numbers, by phone number id or number in normal form.
        failure_codes: the packaged catalogue with the user's own entries over it.
        rules: thresholds of alerts.
        channels: where alerts are sent, secrets not read yet.
    """

    campaign_key: str | None = None
    region: str | None = None
    numbers: Mapping[str, str] = {}
    failure_codes: Catalogue = msgspec.field(default_factory=packaged)
    rules: Rules = Rules()
    channels: tuple[ChannelTable, ...] = ()


_KEYS = ("campaign_key", "region", "numbers", TABLE, "alerts", "channels")


def read_user_file(settings: Settings) -> UserFile:
    """Return what the file of the settings sets; the defaults without a file. A file is read again when it changed.

    Raises:
        SettingsError: the file cannot be read, is not TOML, or has an unknown table or key or a malformed value.
    """
    path = settings.config_file
    if path is None:
        return UserFile()
    try:
        stat = path.stat()
        return _read(path, stat.st_mtime_ns, stat.st_size, stat.st_ino)
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read: {error.strerror}.", remedy="Give this user access to the file, or remove it."
        ) from error


def late_sync_seconds(settings: Settings) -> int | None:
    """Return ``sync_after`` of ``[alerts]``; None where the file does not set it, or cannot be used."""
    try:
        return read_user_file(settings).rules.sync_after
    except ConfigurationError:
        return None


def dialling_region(settings: Settings) -> str | None:
    """Return the country in which numbers without a calling code are dialled: the file's, or the time zone's."""
    return read_user_file(settings).region or _country_of(settings.timezone.key)


@lru_cache(maxsize=8)
def _read(path: Path, *_version: int) -> UserFile:
    try:
        content = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"{path} is not TOML: {str(error).rstrip('.')}.",
            remedy="Put texts in straight quotes, and the name of a table in brackets: [error_codes.131026]",
        ) from None
    check_keys(content, _KEYS, str(path), "table or key")
    region = content.get("region")
    key = content.get("campaign_key")
    return UserFile(
        campaign_key=None if key is None else text_of(key, f"{path}: campaign_key", 'campaign_key = "campaign"'),
        region=None if region is None else text_of(region, f"{path}: region", 'region = "SA"').upper(),
        numbers=_numbers(content.get("numbers", {}), f"{path}: [numbers]"),
        failure_codes=packaged().with_own(content.get(TABLE, {}), str(path)),
        rules=parse_rules(content.get("alerts", {}), f"{path}: [alerts]"),
        channels=parse_channels(content.get("channels", []), f"{path}: [[channels]]", path.parent),
    )


def _numbers(value: Any, where: str) -> dict[str, str]:
    example = '[numbers], and below it "106540352242922" = "Support"'
    numbers: dict[str, str] = {}
    for number, name in table_of(value, where, example).items():
        normal = person_id(number)
        if normal is None:
            raise SettingsError(f"{where}: {number[:40]!a} is not a phone number.", remedy=f"Write it as {example}")
        numbers[normal] = text_of(name, f"{where} {number[:40]!a}", '"Support"')
    return numbers


def _country_of(timezone: str) -> str | None:
    """Return the country of a time zone (IANA's ``zone.tab``); None for a zone of no country, such as UTC."""
    try:
        table = (resources.files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8")
    except (OSError, ModuleNotFoundError):
        return None
    rows = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    return next((row[0] for row in rows if len(row) > 2 and row[2] == timezone), None)
