"""``/metrics`` for Prometheus: counts of the store, read at most every 15 seconds.

Counters begin at 0 with each start, as Prometheus expects, so that neither pruning nor the messages already stored look
like events. No label holds a message id or a person's number. Labels that strangers can choose (sending numbers,
failure codes) are bounded: the largest have their own series, the others share one.
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
from ticktrail.queries.lists import latest_status_at
from ticktrail.queries.statistics import overdue_before, young_from
from ticktrail.settings.secret import Secret
from ticktrail.settings.settings import Settings
from ticktrail.settings.user_file import UserFile, read_user_file
from ticktrail.stores import Store
from ticktrail.text.phone_numbers import own_name

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

MAX_SERIES = 50
"""Maximum number of series by sending number, and by failure code that the catalogue does not know."""

OTHER = "other"

BUCKETS = (1, 2, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 43_200, 86_400)
"""In seconds. Most messages are delivered within five; a phone that is off at night takes hours."""

_EVERYTHING = MessageFilter()


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """Values read from a store at one time.

    Attributes:
        failures: messages by failure code; the catalogue's codes are always included, so that a first failure is an
            increase.
        last_status: time of the newest status, in Unix seconds.
        synced: start of the last successful sync by workflow, in Unix seconds.
        late_after: age in seconds at which a sync is late, by workflow.
        withheld: number of executions that n8n withheld, by workflow.
        unconfirmed: accepted sends without any status for over an hour.
    """

    totals: Counts
    failures: Mapping[str, int]
    last_status: int | None
    synced: Mapping[str, float]
    late_after: Mapping[str, float]
    withheld: Mapping[str, int]
    unconfirmed: int


def read(store: Store, settings: Settings, now: datetime) -> Reading:
    """Read the values that are counted quickly."""
    young = young_from(now)
    (totals,) = store.statistics(_EVERYTHING, young_since=young, details=True)
    (sends,) = store.unconfirmed(overdue_before=overdue_before(now))
    synced: dict[str, float] = {}
    late_after: dict[str, float] = {}
    withheld: dict[str, int] = {}
    for workflow in read_completeness(store, settings).workflows:
        withheld[workflow.workflow_id] = withheld.get(workflow.workflow_id, 0) + len(workflow.withheld)
        late_after[workflow.workflow_id] = workflow.late_after.total_seconds()
        if workflow.checked_at is not None:
            synced[workflow.workflow_id] = max(workflow.checked_at.timestamp(), synced.get(workflow.workflow_id, 0.0))
    return Reading(
        totals=totals.counts,
        failures=_by_code(
            store.statistics(_EVERYTHING, Grouping.ERROR, young_since=young),
            set(map(str, read_user_file(settings).failure_codes.singles)),
        ),
        last_status=latest_status_at(store, now),
        synced=synced,
        late_after=late_after,
        withheld=withheld,
        unconfirmed=sends.counts.unconfirmed,
    )


def read_numbers(store: Store, user_file: UserFile, now: datetime) -> dict[str, Counts]:
    """Counts by sending number: its configured name, else its id."""
    return _by_number(store.statistics(_EVERYTHING, Grouping.NUMBER, young_since=young_from(now)), user_file)


class Metrics:
    """Readings as text. Counters only grow, from the first reading on; pruning the store does not lower them."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[int, int]] = {}
        self._begun = False

    def text(self, reading: Reading, numbers: Mapping[str, Counts], *, key_expiry: float | None = None) -> bytes:
        """The answer of ``/metrics``.

        Args:
            numbers: from :func:`read_numbers`.
            key_expiry: from :func:`expiry_of_key`.
        """
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families([*self._families(reading), _messages(numbers), *_expiry(key_expiry)]))
        return generate_latest(registry)

    def begin(self, reading: Reading) -> None:
        """Count from this reading on; without it, from the first text on."""
        for _ in self._families(reading):
            pass

    def _families(self, reading: Reading) -> Iterator[GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily]:
        yield self._counter(
            "ticktrail_status_events",
            "Messages that reached a status since the start.",
            "status",
            _events(reading.totals),
        )
        yield self._counter(
            "ticktrail_failures",
            "Messages that failed since the start, by Meta's error code.",
            "code",
            reading.failures,
        )
        yield self._histogram(reading.totals.delays)
        self._begun = True
        if reading.last_status is not None:
            yield GaugeMetricFamily(
                "ticktrail_last_status_timestamp_seconds", "Time of the newest status.", reading.last_status
            )
        synced = GaugeMetricFamily(
            "ticktrail_last_sync_success_timestamp_seconds",
            "Start of the last successful sync; the store is complete up to then.",
            labels=["workflow"],
        )
        for name, time in sorted(reading.synced.items()):
            synced.add_metric([name], time)
        yield synced
        late_after = GaugeMetricFamily(
            "ticktrail_sync_late_after_seconds", "Age at which the last successful sync is late.", labels=["workflow"]
        )
        for name, seconds in sorted(reading.late_after.items()):
            late_after.add_metric([name], seconds)
        yield late_after
        withheld = GaugeMetricFamily(
            "ticktrail_executions_unreadable", "Executions whose data n8n withheld.", labels=["workflow"]
        )
        for name, count in sorted(reading.withheld.items()):
            withheld.add_metric([name], count)
        yield withheld
        yield GaugeMetricFamily(
            "ticktrail_sends_unconfirmed",
            "Sends that Meta accepted, to people, without any status for over an hour.",
            reading.unconfirmed,
        )
        build = GaugeMetricFamily("ticktrail_build_info", "Always 1, with the version as label.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build

    def _counter(self, name: str, help_text: str, label: str, counts: Mapping[str, int]) -> CounterMetricFamily:
        family = CounterMetricFamily(name, help_text, labels=[label])
        before = {value for seen_name, value in self._seen if seen_name == name}
        for value in sorted({*counts, *before}):
            family.add_metric([value], self._grown(name, value, counts.get(value, 0)))
        return family

    def _histogram(self, delays: Mapping[int, int]) -> HistogramMetricFamily:
        name = "ticktrail_time_to_deliver_seconds"
        reached, buckets = 0, []
        for above, bound in itertools.pairwise((-1, *BUCKETS, sys.maxsize)):
            inside = sum(messages for seconds, messages in delays.items() if above < seconds <= bound)
            reached += self._grown(name, str(bound), inside)
            buckets.append(("+Inf" if bound == sys.maxsize else str(float(bound)), reached))
        family = HistogramMetricFamily(name, "Seconds from sent to delivered, of messages delivered since the start.")
        total = sum(seconds * messages for seconds, messages in delays.items())
        family.add_metric([], buckets, self._grown(name, "sum", total))
        return family

    def _grown(self, name: str, value: str, count: int) -> int:
        """Growth of a count since the first reading; a count that shrinks adds nothing."""
        last, total = self._seen.get((name, value), (0 if self._begun else count, 0))
        total += max(0, count - last)
        self._seen[name, value] = count, total
        return total


class _Families(Collector):
    def __init__(self, families: list[GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily]:
        """The families of one reading."""
        return self._families


def _expiry(time: float | None) -> Iterator[GaugeMetricFamily]:
    if time is not None:
        yield GaugeMetricFamily("ticktrail_api_key_expiry_timestamp_seconds", "Expiry of n8n's API key.", time)


def expiry_of_key(key: Secret | None) -> float | None:
    """Expiry of n8n's API key in Unix seconds, read from the key, which is a JWT; None where it has none."""
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
        "Messages to people by current status and sending number; delivered excludes read.",
        labels=["status", "number"],
    )
    for number, counts in sorted(numbers.items()):
        by_status = {
            "sent": counts.pending,
            "delivered": counts.delivered - counts.read,
            "read": counts.read,
            "failed": counts.failed,
            OTHER: counts.other,
        }
        for status, messages in by_status.items():
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
        if name not in found and len(found) >= MAX_SERIES:
            name = OTHER
        found[name] = found.get(name, Counts()) + group.counts
    return found


def _by_code(groups: Iterable[Group], known: Collection[str] = ()) -> dict[str, int]:
    """Messages by error code: ``other`` for codes of more than seven digits, ``unknown`` without a code.

    Args:
        known: codes that always have a series.
    """
    found = {code: 0 for code in known if _is_code(code)}
    most = len(found) + MAX_SERIES
    for group in sorted(groups, key=lambda group: (-group.counts.failed, str(group.key))):
        text = "unknown" if group.key is None else str(group.key)
        name = text if group.key is None or _is_code(text) else OTHER
        if name not in found and len(found) >= most:
            name = OTHER
        found[name] = found.get(name, 0) + group.counts.failed
    return found


def _is_code(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 7


def _plain(key: str) -> str:
    """The key, if it looks like Meta's phone number ids; a stranger can write anything else there."""
    return key if key.isascii() and key.isdigit() and len(key) <= 20 else OTHER
