"""Counts and delays → rates, percentiles and the words beside them: product.md's figures people can trust.

Pure. A rate always comes with the parts it is made of; a small number of messages has no rate, and what the trigger
never passes has none either, with the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from ticktrail.messages.counts import Counts
from ticktrail.text.formatting import percent

FEWEST = 20
"""Messages below which counts say more than a percentage."""

PERCENTILES = (50, 90, 99)

UNKNOWN = "—"


class Share(msgspec.Struct, frozen=True):
    """A part of a whole.

    Attributes:
        missing: why the share is unknown, when the trigger never passes a status it needs; else None.
    """

    part: int
    whole: int
    missing: str | None = None

    @property
    def rate(self) -> float | None:
        """The share, 0 to 1; None for too few messages, and where it is unknown."""
        if self.missing is not None or self.whole < FEWEST:
            return None
        return self.part / self.whole

    @property
    def percent(self) -> str:
        """``97.1 %``; an empty text for too few messages, a dash where there is no telling.

        Rounded, but never to all or nothing: ``>99.9 %`` when one is missing, ``<0.1 %`` when there is one.
        """
        if self.missing is not None:
            return UNKNOWN
        rate = self.rate
        if rate is None:
            return ""
        if 0 < rate < 0.0005:
            return "<0.1 %"
        if 0.9995 <= rate < 1:
            return ">99.9 %"
        return percent(rate)


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Rates and percentiles of counts.

    Attributes:
        percentiles: seconds to deliver, by percentile; empty for too few.
        measured: messages whose time to deliver is known.
        not_delivered: pending or failed messages, which have no time to deliver.
    """

    counts: Counts
    delivered: Share
    read: Share
    failed: Share
    read_within_hour: Share
    read_within_day: Share
    percentiles: Mapping[int, int]
    measured: int
    not_delivered: int
    no_times: str | None = None


def never_passed(counts: Counts, seen_elsewhere: Collection[str] = ()) -> frozenset[str]:
    """Return the statuses that the trigger seems never to pass, judged by at least :data:`FEWEST` messages.

    n8n's WhatsApp Trigger has a filter (*Receive Message Status Updates*); a status that it stops starts no execution.
    A status that was received at another time (``seen_elsewhere``) is passed.
    """
    absent = {
        "sent": counts.sent >= FEWEST and not counts.sent_reported,
        "delivered": counts.sent >= FEWEST and not counts.delivered_reported,
        "read": counts.delivered >= FEWEST and not counts.read,
        "failed": counts.sent >= FEWEST and not counts.failed and not counts.conflicts,
    }
    return frozenset(name for name, holds in absent.items() if holds) - frozenset(seen_elsewhere)


def compute_rates(counts: Counts, never: Collection[str] = ()) -> Rates:
    """Return the rates of these counts.

    Args:
        never: statuses that the trigger never passes, see :func:`never_passed`.
    """

    def missing(*statuses: str) -> str | None:
        lacking = [status for status in statuses if status in never]
        return f"no message ever came with {_either(lacking)}" if lacking else None

    measured = sum(counts.delays.values())
    enough = measured >= FEWEST
    return Rates(
        counts=counts,
        # Without "sent", messages on the way would be missing from the whole; without "delivered", the unread ones.
        delivered=Share(counts.delivered, counts.sent, missing("sent", "delivered")),
        read=Share(counts.read, counts.delivered, missing("delivered", "read")),
        failed=Share(counts.failed, counts.sent, missing("sent", "failed")),
        read_within_hour=Share(counts.read_within_hour, counts.timed, missing("delivered", "read")),
        read_within_day=Share(counts.read_within_day, counts.timed, missing("delivered", "read")),
        percentiles={percent: percentile(counts.delays, percent) for percent in PERCENTILES} if enough else {},
        measured=measured,
        not_delivered=counts.pending + counts.failed,
        no_times=missing("sent", "delivered"),
    )


def accepted_text(counts: Counts, *, sends_known: bool) -> str:
    """``1,268 = 1,240 with a status + 28 without any for over 1 h``: what WhatsApp accepted, and its parts.

    Args:
        sends_known: sends were read, so that those without a status are known.
    """
    if not sends_known:
        return f"{counts.messages:,} with a status; others are unknown, because no sending workflow was synced"
    parts = [f"{counts.messages:,} with a status", f"{counts.unconfirmed:,} without any for over 1 h"]
    if counts.awaiting:
        parts.append(f"{counts.awaiting:,} accepted within the last hour")
    return f"{counts.accepted:,} = {' + '.join(parts)}"


def percentile(histogram: Mapping[int, int], percent: int) -> int:
    """Return a percentile of a non-empty histogram (nearest rank, exact)."""
    wanted = -(-sum(histogram.values()) * percent // 100)
    met = 0
    for value in sorted(histogram):
        met += histogram[value]
        if met >= wanted:
            return value
    raise ValueError("an empty histogram has no percentiles")


def billing(prices: Mapping[tuple[str | None, bool | None], int]) -> dict[str | None, dict[bool | None, int]]:
    """Messages that arrived by category, and in each by whether Meta charges; the largest category first."""
    found: dict[str | None, dict[bool | None, int]] = {}
    for (category, billed), messages in prices.items():
        kinds = found.setdefault(category, {})
        kinds[billed] = kinds.get(billed, 0) + messages
    return dict(sorted(found.items(), key=lambda item: (item[0] is None, -sum(item[1].values()), item[0] or "")))


def rates_document(made: Rates) -> dict[str, Any]:
    """Return every count, and each rate or null, for programs."""
    counts = made.counts
    return {
        "accepted": counts.accepted,
        "messages": counts.messages,
        "withoutStatus": counts.unconfirmed,
        "awaitingStatus": counts.awaiting,
        "sent": counts.sent,
        "delivered": counts.delivered,
        "deliveryRate": _rounded(made.delivered),
        "read": counts.read,
        "readRateAtLeast": _rounded(made.read),
        "failed": counts.failed,
        "failureRate": _rounded(made.failed),
        "onTheWay": counts.pending,
        "other": counts.other,
        "conflicts": counts.conflicts,
        "notFinal": counts.provisional,
    }


def rate_details_document(made: Rates) -> dict[str, Any]:
    """Return the details of totals for programs: times, reading, billing, and what is not in the rates."""
    counts = made.counts
    return {
        "timeToDeliver": {
            **{f"p{percent}": made.percentiles.get(percent) for percent in PERCENTILES},
            "measured": made.measured,
            "notDelivered": made.not_delivered,
        },
        "readWithin": {
            "deliveredAtKnownTime": counts.timed,
            "hour": counts.read_within_hour,
            "hourRate": _rounded(made.read_within_hour),
            "day": counts.read_within_day,
            "dayRate": _rounded(made.read_within_day),
        },
        "pricing": [
            {
                "category": category,
                "billable": kinds.get(True, 0),
                "free": kinds.get(False, 0),
                "unknown": kinds.get(None, 0),
            }
            for category, kinds in billing(counts.prices).items()
        ],
        "leftOut": {"groups": counts.groups, "tests": counts.tests},
    }


def _rounded(share: Share) -> float | None:
    return None if share.rate is None else round(share.rate, 6)


def _either(names: list[str]) -> str:
    return " or ".join(f"“{name}”" for name in names)
