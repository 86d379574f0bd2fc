"""The table ``[alerts]`` of ``ticktrail.toml``: from when on a fact is an alert.

[alerts]
stuck_after = "24h"
quiet = "22:00-07:00"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from ticktrail.errors import SettingsError
from ticktrail.settings.toml_values import check_keys, seconds_of, share_of, table_of

_HOUR_SECONDS = 3_600
_DAY_SECONDS = 86_400
_QUIET = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-3]):([0-5]\d)")
_KIND_OR_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,80}")


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Thresholds of alerts. Durations in seconds, rates from 0 to 1.

    Attributes:
        window: age of the oldest failures that count.
        at_least: messages below which no rate means anything.
        rate: share of messages that fail with one code, for codes that alert by rate.
        rates: such shares by code, in place of ``rate``.
        stuck_after: age of a sent message without delivery.
        stuck_rate: share of such messages.
        delivery_drop: how far the delivery rate may fall below that of a week before.
        silence_after: time without any status although messages were accepted.
        silence_factor: such a time as a multiple of the longest pause of the last fourteen days.
        sync_after: age of the last good sync; None for twice the usual time between syncs.
        off: kinds, codes and keys that never alert.
        quiet: minutes of the day between which warnings wait; None for never.
        remind_after: time after which an alert that still fires is sent again; None for never.
    """

    window: int = _DAY_SECONDS
    at_least: int = 20
    rate: float = 0.1
    rates: Mapping[str, float] = {}
    stuck_after: int = _DAY_SECONDS
    stuck_rate: float = 0.1
    delivery_drop: float = 0.1
    silence_after: int = 2 * _HOUR_SECONDS
    silence_factor: float = 1.5
    sync_after: int | None = None
    off: frozenset[str] = frozenset()
    quiet: tuple[int, int] | None = None
    remind_after: int | None = None

    def is_quiet(self, moment: datetime) -> bool:
        """Return whether warnings wait at a moment, given in the zone of the quiet hours."""
        if self.quiet is None:
            return False
        begin, end = self.quiet
        minute = moment.hour * 60 + moment.minute
        return begin <= minute < end if begin <= end else minute >= begin or minute < end


def parse_rules(value: object, where: str) -> Rules:
    """Return the rules that a table means.

    Raises:
        SettingsError: the table has an unknown key or a malformed value.
    """
    table = table_of(value, where, '[alerts], and below it stuck_after = "24h"')
    check_keys(table, _READERS, where)
    return Rules(**{key: _READERS[key](given, f"{where} {key}") for key, given in table.items()})


def _count(value: object, where: str) -> int:
    if type(value) is not int or not 1 <= value <= 1_000_000:
        raise SettingsError(f"{where} is not a number of messages.", remedy="Use a whole number from 1 on, such as 20.")
    return value


def _factor(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 100:
        raise SettingsError(f"{where} is not a factor.", remedy="Use a number from 1 to 100, such as 1.5.")
    return float(value)


def _rates(value: object, where: str) -> dict[str, float]:
    table = table_of(value, where, "[alerts.rates], and below it 131049 = 0.3")
    return {str(code): share_of(rate, f"{where} {code}") for code, rate in table.items()}


def _off(value: object, where: str) -> frozenset[str]:
    names = [str(one) for one in value] if isinstance(value, list) else [""]
    if not all(map(_KIND_OR_KEY.fullmatch, names)):
        raise SettingsError(
            f"{where} is not a list of kinds of alerts, failure codes and keys of alerts.",
            remedy='Use a list such as ["silence", "131049"].',
        )
    return frozenset(names)


def _quiet(value: object, where: str) -> tuple[int, int]:
    found = _QUIET.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise SettingsError(f"{where} is not a part of the day.", remedy='Use a text such as "22:00-07:00".')
    begin_hour, begin, end_hour, end = map(int, found.groups())
    return begin_hour * 60 + begin, end_hour * 60 + end


_READERS: dict[str, Callable[[object, str], Any]] = {
    **dict.fromkeys(("window", "stuck_after", "silence_after", "sync_after", "remind_after"), seconds_of),
    **dict.fromkeys(("rate", "stuck_rate", "delivery_drop"), share_of),
    "at_least": _count,
    "silence_factor": _factor,
    "rates": _rates,
    "off": _off,
    "quiet": _quiet,
}
