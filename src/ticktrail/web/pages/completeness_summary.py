"""Can this be trusted? A ledger's own books → one sentence, how grave it is, and what stands behind it. Pure."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, tzinfo
from typing import Literal

import msgspec

from ticktrail.extraction.withheld import REASONS
from ticktrail.queries.completeness import Completeness
from ticktrail.stores.coverage import Gap, PendingExecution
from ticktrail.text.formatting import plural
from ticktrail.web.pages import strings as words
from ticktrail.web.pages import trust_words

GAP_COUNTS_SECONDS = 7 * 86_400
"""A gap stays on the strip for a week; behind it for ever."""

Level = Literal["good", "warn", "bad"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the strip says.

    Attributes:
        level: green, amber or red.
        headline: ``complete up to 14:32``.
        remarks: what else one should know, each a clause.
        not_shown: executions n8n would not show.
        checked_at: complete up to then; None where no sync of n8n came through.
    """

    level: Level
    headline: str
    remarks: tuple[str, ...] = ()
    not_shown: tuple[PendingExecution, ...] = ()
    gaps: tuple[Gap, ...] = ()
    checked_at: datetime | None = None


def judge(known: Completeness, now: datetime, zone: tzinfo, *, masked: bool = False) -> Verdict:
    """The verdict on what a ledger's books tell.

    Args:
        masked: without what n8n and the store said, word for word: hosts and folders may be in it.
    """
    if not known.exists:
        return Verdict(level="warn", headline=trust_words.NOTHING_YET)
    hidden, gaps = known.withheld, known.gaps
    recent = [gap for gap in gaps if (now - gap.found_at).total_seconds() < GAP_COUNTS_SECONDS]
    remarks = [*(_gap(gap, zone, now) for gap in recent[-2:])]
    if len(recent) > 2:
        remarks.append(trust_words.GAPS_MORE.format(gaps=plural(len(recent) - 2, "gap")))
    if hidden:
        remarks.append(not_shown(hidden, masked=masked))
    refused = len(known.refused)
    if refused:
        remarks.append(trust_words.STORE_REFUSED.format(executions=plural(refused, "execution")))
    if known.never:
        named = trust_words.OR.join(f"“{name}”" for name in sorted(known.never))
        remarks.append(trust_words.FILTERED.format(statuses=named))
    level: Level = "warn" if recent or hidden or refused or known.never else "good"
    failed = _failing(known, masked=masked)
    if failed:
        remarks.insert(0, failed)
    checked_at = known.checked_at
    if checked_at is None:
        return Verdict(
            level="bad" if failed else "warn",
            headline=(
                trust_words.NO_SYNC_YET if any(one.scope for one in known.workflows) or failed
                else trust_words.IMPORTED if known.messages else trust_words.NOTHING_YET
            ),
            remarks=tuple(remarks), not_shown=hidden, gaps=gaps,
        )  # fmt: skip
    seconds = (now - checked_at).total_seconds()
    headline = trust_words.COMPLETE.format(moment=words.clock(int(checked_at.timestamp()), zone, now))
    if known.is_late(now):
        remarks.insert(0, trust_words.LATE.format(age=words.age(seconds)))
        level = "bad"
    return Verdict(
        level="bad" if failed and level != "good" else "warn" if failed else level,
        headline=headline, remarks=tuple(remarks), not_shown=hidden, gaps=gaps, checked_at=checked_at,
    )  # fmt: skip


def reason_text(reason: str, *, masked: bool) -> str:
    """Why something could not be read, in words; what n8n or the store said itself only where it may be seen."""
    return REASONS.get(reason, trust_words.OTHER_REASONS if masked else reason)


def not_shown(hidden: tuple[PendingExecution, ...], *, masked: bool = False) -> str:
    """``3 executions n8n would not show (2 redacted, 1 too large)``."""
    reasons = Counter(reason_text(one.reason or "unreadable", masked=masked) for one in hidden)
    listed = ", ".join(f"{count:,} {reason[:40]}" for reason, count in reasons.most_common(4))
    return trust_words.WITHHELD.format(executions=plural(len(hidden), "execution"), reasons=listed)


def checked(known: Completeness) -> str:
    """``checked 40,213 of 40,216 executions``."""
    executions = plural(known.processed + len(known.unprocessed), "execution")
    return trust_words.CHECKED.format(settled=known.processed, executions=executions)


def _failing(known: Completeness, *, masked: bool) -> str:
    """What the latest run says when it did not come through."""
    if not known.runs or known.runs[0].error is None:
        return ""
    first = "" if masked else "".join(known.runs[0].error.splitlines()[:1])[:200]
    return f"{trust_words.SYNC_FAILED}: {first}" if first else trust_words.SYNC_FAILED


def _gap(gap: Gap, zone: tzinfo, now: datetime) -> str:
    ends = [_instant(text) for text in (gap.from_started_at, gap.to_started_at)]
    if ends[0] is None or ends[1] is None:
        return trust_words.GAP_OF_IDS.format(first=gap.after_id, last=gap.before_id)
    first, last = (words.clock(int(end.timestamp()), zone, now) for end in ends if end is not None)
    return trust_words.GAP.format(first=first, last=last)


def gap_text(gap: Gap, zone: tzinfo, now: datetime) -> str:
    """A gap in words, with a capital."""
    text = _gap(gap, zone, now)
    return text[0].upper() + text[1:]


def _instant(text: str | None) -> datetime | None:
    try:
        moment = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo is not None else None
