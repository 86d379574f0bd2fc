"""``/metrics`` for Prometheus: the ledger's figures, counted at most every fifteen seconds.

Counters begin at 0 with each start, as Prometheus expects of them: else what ``prune`` took away while nothing ran
would look like a counter that began anew, and everything the ledger holds like news. No message id and no person's
number is ever a label. What a stranger can put into a payload (numbers' ids, codes) is bounded: the largest have a
series each, the rest share one.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from ticktrail import __version__
from ticktrail.messages.counts import Counts, Group
from ticktrail.messages.filters import Grouping, MessageFilter
from ticktrail.queries.completeness import read_completeness
from ticktrail.queries.statistics import young_from
from ticktrail.settings.secret import Secret
from ticktrail.settings.settings import Settings
from ticktrail.settings.user_file import UserFile, read_user_file
from ticktrail.stores import Store
from ticktrail.text.phone_numbers import own_name

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

MOST_SERIES = 50
"""Numbers, and failure codes that the catalogue does not know, that have series of their own: the largest."""

REST = "other"

BUCKETS = (1, 2, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 43_200, 86_400)
"""Seconds. Most messages arrive within five; a phone that was off for the night takes hours."""

_EVERYTHING = MessageFilter()
_LATEST = 20
"""So many of the messages that changed last are looked at for the newest status."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of a ledger at one moment.

    Attributes:
        failures: messages by failure code; codes of the catalogue are there with 0, so that their first is an increase.
        last_status: Unix seconds of the newest status.
        synced: when each workflow was last read through, Unix seconds.
        not_shown: executions that n8n would not show, by workflow.
    """

    totals: Counts
    failures: Mapping[str, int]
    last_status: int | None
    synced: Mapping[str, float]
    not_shown: Mapping[str, int]


def read(store: Store, settings: Settings, now: datetime) -> Reading:
    """Ask the store, for what is quickly counted."""
    young = young_from(now)
    (totals,) = store.statistics(_EVERYTHING, young_since=young, details=True)
    synced: dict[str, float] = {}
    hidden: dict[str, int] = {}
    for one in read_completeness(store, settings).workflows:
        hidden[one.workflow_id] = hidden.get(one.workflow_id, 0) + len(one.withheld)
        if one.checked_at is not None:
            synced[one.workflow_id] = max(one.checked_at.timestamp(), synced.get(one.workflow_id, 0.0))
    return Reading(
        totals=totals.counts,
        failures=_by_code(
            store.statistics(_EVERYTHING, Grouping.ERROR, young_since=young),
            set(map(str, read_user_file(settings).failure_codes.singles)),
        ),
        last_status=_last_status(store, now),
        synced=synced,
        not_shown=hidden,
    )


def read_numbers(store: Store, user_file: UserFile, now: datetime) -> dict[str, Counts]:
    """Counts by the number that sent: its own name, else its id. Of a million messages this takes seconds."""
    return _by_number(store.statistics(_EVERYTHING, Grouping.NUMBER, young_since=young_from(now)), user_file)


def _last_status(store: Store, now: datetime) -> int | None:
    """When the newest status happened: of the message that was sent last, or of one that is older and was read now."""
    asked = (MessageFilter(limit=1), MessageFilter(limit=_LATEST, order="updated"))
    moments = (message.state.latest_timestamp for chosen in asked for message in store.messages(chosen))
    return max((moment for moment in moments if moment is not None and moment <= now.timestamp()), default=None)


class Metrics:
    """Readings as text. Counters only grow, from the first reading on: a ledger that is pruned takes nothing back."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[int, int]] = {}
        self._begun = False

    def text(self, reading: Reading, numbers: Mapping[str, Counts], *, key_expiry: float | None = None) -> bytes:
        """What ``/metrics`` answers.

        Args:
            numbers: as :func:`read_numbers` gives them.
            key_expiry: as :func:`expiry_of_key` gives it.
        """
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families([*self._families(reading), _messages(numbers), *_expiry(key_expiry)]))
        return generate_latest(registry)

    def begin(self, reading: Reading) -> None:
        """Count from here on; without this, from the first text on."""
        for _ in self._families(reading):
            pass

    def _families(self, reading: Reading) -> Iterator[GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily]:
        yield self._counter(
            "ticktrail_status_events",
            "Messages that were reported to have got so far since the start, by status.",
            "status",
            _events(reading.totals),
        )
        yield self._counter(
            "ticktrail_failures",
            "Messages that failed since the start, by WhatsApp's code.",
            "code",
            reading.failures,
        )
        yield self._histogram(reading.totals.delays)
        self._begun = True
        if reading.last_status is not None:
            yield GaugeMetricFamily(
                "ticktrail_last_status_timestamp_seconds", "When the newest status happened.", reading.last_status
            )
        synced = GaugeMetricFamily(
            "ticktrail_last_sync_success_timestamp_seconds",
            "When the last sync that came through began: the ledger is complete up to then.",
            labels=["workflow"],
        )
        for name, moment in sorted(reading.synced.items()):
            synced.add_metric([name], moment)
        yield synced
        hidden = GaugeMetricFamily(
            "ticktrail_executions_unreadable", "Executions that n8n would not show so far.", labels=["workflow"]
        )
        for name, count in sorted(reading.not_shown.items()):
            hidden.add_metric([name], count)
        yield hidden
        build = GaugeMetricFamily("ticktrail_build_info", "Always 1; the label tells the version.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build

    def _counter(self, name: str, help_text: str, label: str, counts: Mapping[str, int]) -> CounterMetricFamily:
        family = CounterMetricFamily(name, help_text, labels=[label])
        known = {value for seen_name, value in self._seen if seen_name == name}
        for value in sorted({*counts, *known}):
            family.add_metric([value], self._grown(name, value, counts.get(value, 0)))
        return family

    def _histogram(self, delays: Mapping[int, int]) -> HistogramMetricFamily:
        name = "ticktrail_time_to_deliver_seconds"
        reached, buckets = 0, []
        for above, bound in itertools.pairwise((-1, *BUCKETS, sys.maxsize)):
            inside = sum(messages for seconds, messages in delays.items() if above < seconds <= bound)
            reached += self._grown(name, str(bound), inside)
            buckets.append(("+Inf" if bound == sys.maxsize else str(float(bound)), reached))
        family = HistogramMetricFamily(name, "From sent to delivered, of messages delivered since the start.")
        total = sum(seconds * messages for seconds, messages in delays.items())
        family.add_metric([], buckets, self._grown(name, "sum", total))
        return family

    def _grown(self, name: str, value: str, count: int) -> int:
        """How far the count has grown since the first reading; what shrinks stands still."""
        last, total = self._seen.get((name, value), (0 if self._begun else count, 0))
        total += max(0, count - last)
        self._seen[name, value] = count, total
        return total


class _Families(Collector):
    def __init__(self, families: list[GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily]:
        """The families, as they are."""
        return self._families


def _expiry(moment: float | None) -> Iterator[GaugeMetricFamily]:
    if moment is not None:
        yield GaugeMetricFamily("ticktrail_api_key_expiry_timestamp_seconds", "When n8n's API key runs out.", moment)


def expiry_of_key(key: Secret | None) -> float | None:
    """Unix seconds at which n8n's API key runs out, as far as it says so itself (it is a JWT)."""
    if key is None:
        return None
    parts = key.reveal().split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return None
    expiry = claims.get("exp") if isinstance(claims, dict) else None
    return float(expiry) if isinstance(expiry, (int, float)) and not isinstance(expiry, bool) else None


def _messages(numbers: Mapping[str, Counts]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "ticktrail_messages",
        "Messages to people by where they stand; delivered leaves out those that were read.",
        labels=["status", "number"],
    )
    for number, counts in sorted(numbers.items()):
        standing = {
            "sent": counts.on_the_way,
            "delivered": counts.delivered - counts.read,
            "read": counts.read,
            "failed": counts.failed,
            REST: counts.other,
        }
        for status, messages in standing.items():
            family.add_metric([status, number], messages)
    return family


def _events(totals: Counts) -> dict[str, int]:
    return {
        "sent": totals.sent_reported,
        "delivered": totals.delivered_reported,
        "read": totals.read,
        "failed": totals.failed + totals.conflicts,
    }


def _by_number(groups: Iterable[Group], user_file: UserFile) -> dict[str, Counts]:
    found: dict[str, Counts] = {}
    for group in sorted(groups, key=lambda group: (-group.counts.messages, str(group.key))):
        if not group.counts.messages:
            continue
        name = "unknown"
        if group.key is not None:
            name = own_name(user_file.numbers, str(group.key), group.label) or _plain(str(group.key))
        if name not in found and len(found) >= MOST_SERIES:
            name = REST
        found[name] = found.get(name, Counts()) + group.counts
    return found


def _by_code(groups: Iterable[Group], known: Collection[str] = ()) -> dict[str, int]:
    """Messages by code; what is no code of Meta's kind (one to seven digits) is ``other``, none at all ``unknown``.

    Args:
        known: codes that have a series each in any case.
    """
    found = {code: 0 for code in known if _is_code(code)}
    most = len(found) + MOST_SERIES
    for group in sorted(groups, key=lambda group: (-group.counts.failed, str(group.key))):
        text = "unknown" if group.key is None else str(group.key)
        name = text if group.key is None or _is_code(text) else REST
        if name not in found and len(found) >= most:
            name = REST
        found[name] = found.get(name, 0) + group.counts.failed
    return found


def _is_code(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 7


def _plain(key: str) -> str:
    """A phone number id as Meta makes them; whatever else stands there a stranger wrote."""
    return key if key.isascii() and key.isdigit() and len(key) <= 20 else REST
