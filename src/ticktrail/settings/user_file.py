"""What ``ticktrail.toml`` says that concerns questions: how campaigns are labelled, where numbers are dialled.

Other tables in the file are other modules' business.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

import msgspec

from ticktrail.errors import ConfigurationError, SettingsError
from ticktrail.messages.error_codes import TABLE, Catalogue, packaged
from ticktrail.settings.config_file import read_config_file
from ticktrail.settings.settings import Settings
from ticktrail.text.times import parse_duration


class QuestionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The keys at the top of the file.

    Attributes:
        campaign_key: the key in a JSON ``callbackData`` that holds the campaign.
        region: ISO code of the country in which numbers without a calling code are dialled.
    """

    campaign_key: str | None = None
    region: str | None = None


def read_toml(settings: Settings) -> dict[str, Any]:
    """All that ``ticktrail.toml`` says; empty when there is none.

    Raises:
        SettingsError: it cannot be read, or is not TOML.
    """
    if settings.config_file is None:
        return {}
    return read_config_file(settings.config_file)


def question_settings(settings: Settings) -> QuestionSettings:
    """What the file says, the region else as the time zone has it (``Asia/Riyadh`` is Saudi Arabia's).

    Raises:
        SettingsError: a value is no text.
    """
    try:
        found = msgspec.convert(read_toml(settings), QuestionSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"{settings.config_file}: {error}.", remedy='A good one: campaign_key = "campaign", region = "SA"'
        ) from None
    region = found.region or _country_of(settings.timezone.key)
    return msgspec.structs.replace(found, region=region and region.strip().upper())


def late_sync_seconds(settings: Settings) -> int | None:
    """``sync_after`` of ``[alerts]`` in seconds; None where the file does not say it, or cannot be used."""
    try:
        found = read_toml(settings).get("alerts", {}).get("sync_after")
        return parse_duration(found) if isinstance(found, str) else None
    except (ConfigurationError, AttributeError):
        return None


def catalogue(settings: Settings) -> Catalogue:
    """What is known of failure codes: the packaged catalogue, and over it what ``ticktrail.toml`` says.

    Raises:
        SettingsError: the file cannot be read, or says something else where a code should stand.
    """
    if settings.config_file is None:
        return packaged()
    return packaged().with_own(read_toml(settings).get(TABLE, {}), str(settings.config_file))


def _country_of(timezone: str) -> str | None:
    """The country a time zone is kept for (IANA's ``zone.tab``); None where there is none, such as UTC."""
    try:
        table = (resources.files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8")
    except (OSError, ModuleNotFoundError):
        return None
    rows = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    return next((row[0] for row in rows if len(row) > 2 and row[2] == timezone), None)
