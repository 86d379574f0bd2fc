"""What figures could not see: executions n8n would not show, gaps that pruning tore, a late sync."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from ticktrail.extraction.withheld import REASONS
from ticktrail.messages.filters import MessageFilter
from ticktrail.stores import Store
from ticktrail.stores.coverage import Facts, Gap, PendingKind
from ticktrail.text.formatting import plural, short_time, spell_seconds

LATE = timedelta(hours=1)
_SAME_TIME = timedelta(days=1)


def unseen(ledger: Store, wanted: MessageFilter, now: datetime) -> tuple[str, ...]:
    """A sentence for each thing that the messages a filter chooses may lack; none where no sync of n8n was made.

    Coverages that no sync has renewed lately (of an n8n that moved, of an older extraction) say nothing of today.
    """
    facts = {scope: known for scope, known in ledger.sync_state.facts().items() if known.checked_at is not None}
    newest = max((known.checked_at for known in facts.values() if known.checked_at is not None), default=None)
    if newest is None:
        return ()
    current = {
        scope: known for scope, known in facts.items() if known.checked_at and newest - known.checked_at < _SAME_TIME
    }
    told = []
    if now - newest > LATE:
        told.append(f"The last sync that came through was {spell_seconds((now - newest).total_seconds())} ago.")
    hidden: Counter[str] = Counter()
    for scope in current:
        for record in ledger.sync_state.load_coverage(scope).pending.values():
            if record.kind in {PendingKind.WITHHELD, PendingKind.REFUSED}:
                reason = record.reason or "unreadable"
                hidden[REASONS.get(reason, reason)] += 1
    if hidden:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in hidden.most_common())
        told.append(f"{plural(hidden.total(), 'execution')} n8n would not show ({reasons}).")
    told += [f"{gap_text(gap)}." for gap in _gaps(current, wanted)]
    return tuple(told)


def _gaps(facts: dict[str, Facts], wanted: MessageFilter) -> list[Gap]:
    """The gaps that touch the time asked for, as far as their bounds are known."""
    return [gap for known in facts.values() for gap in known.gaps if _touches(gap, wanted)]


def _touches(gap: Gap, wanted: MessageFilter) -> bool:
    try:
        begin = datetime.fromisoformat(gap.from_started_at or "").timestamp()
        end = datetime.fromisoformat(gap.to_started_at or "").timestamp()
    except ValueError:
        return True
    after = wanted.since_timestamp is None or end >= wanted.since_timestamp
    before = wanted.until_timestamp is None or begin < wanted.until_timestamp
    return after and before


def gap_text(gap: Gap) -> str:
    """A gap in words, times as n8n wrote them (UTC)."""
    if gap.from_started_at and gap.to_started_at:
        between = f"from {short_time(gap.from_started_at)} to {short_time(gap.to_started_at)} (UTC)"
    else:
        between = f"between executions {gap.after_id} and {gap.before_id}"
    return f"Nothing known {between}: n8n deleted these executions before they were read"
