"""What needs somebody: causes, not messages. One row each, with whom it hit, since when, and what to do.

Filled from what the ledger tells by itself: failure codes with the catalogue's advice, messages that stay at one tick,
refused sends, a late sync, executions n8n would not show.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from ticktrail.config import Settings
from ticktrail.counts import DAY_SECONDS, Group
from ticktrail.dashboard import verdict, words
from ticktrail.dashboard.choice import Choice
from ticktrail.dashboard.questions import Trust, trust
from ticktrail.error_codes import Catalogue
from ticktrail.model import FAILED
from ticktrail.query import Grouping, MessageFilter, SendFilter
from ticktrail.reason import read_failure
from ticktrail.stores import Store

LOOK_BACK_DAYS = 7
FEWEST = 3
"""People below which a failure that alerts by its rate is left alone."""

STUCK_FOR_SECONDS = DAY_SECONDS
STUCK_AT_MOST_SECONDS = LOOK_BACK_DAYS * DAY_SECONDS
"""WhatsApp goes on trying for 30 days (Meta's page of message validity), but nobody acts on what is weeks old."""

Gravity = Literal["bad", "warn"]


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """One cause.

    Attributes:
        key: tells this cause from others; what was acknowledged is known by it.
        sentence: what is the matter.
        people: whom it affects; None where that is no question of people.
        since: Unix seconds, None when not known.
        trend: what came in the last 24 hours, and in the 24 before; None where that means nothing.
        advice: what to do, a sentence or two.
        filter: the messages behind it; None when there are none to list.
        count: how many messages the list has.
    """

    key: str
    sentence: str
    people: int | None
    since: int | None
    trend: tuple[int, int] | None
    advice: str
    filter: Choice | None
    count: int = 0
    gravity: Gravity = "warn"
    acknowledged: bool = False
    note: str = ""


class Acknowledgements(Protocol):
    """Where it is kept who has seen to what."""

    def notes(self) -> Mapping[str, str]:
        """The notes of what is acknowledged, by key."""
        ...

    def acknowledge(self, key: str, note: str, at: datetime) -> None:
        """Note that somebody sees to it."""
        ...

    def take_back(self, key: str) -> None:
        """Note that nobody does any more."""
        ...


def needs_you(store: Store, settings: Settings, *, now: datetime, catalogue: Catalogue) -> list[Need]:
    """The causes that need somebody, the gravest first, then by people affected."""
    known = trust(store, settings.workflow_ids)
    if not known.exists:
        return []
    found = [
        *_sync(known, settings, now),
        *_failures(store, now, catalogue),
        *_refused(store, now, catalogue),
        *_stuck(store, now),
    ]
    return sorted(found, key=lambda need: (need.gravity != "bad", -(need.people or 0), need.key))


def _sync(known: Trust, settings: Settings, now: datetime) -> list[Need]:
    judged = verdict.judge(known, now, settings.timezone)
    found = []
    checked_at = judged.checked_at
    if checked_at is not None and (now - checked_at).total_seconds() > verdict.TOO_LATE_SECONDS:
        found.append(
            Need(
                key="sync late",
                sentence=f"The last sync was {words.age((now - checked_at).total_seconds())} ago: news is missing.",
                people=None, since=int(checked_at.timestamp()), trend=None, filter=None, gravity="bad",
                advice="See whether ticktrail run (or the cron entry) is at work, and type: ticktrail doctor",
            )
        )  # fmt: skip
    if judged.not_shown:
        first = min(one.first_met_at for one in judged.not_shown)
        found.append(
            Need(
                key="not shown",
                sentence=verdict.not_shown(judged.not_shown) + ".",
                people=None, since=int(first.timestamp()), trend=None, filter=None,
                advice=(
                    "Their statuses are not in the ledger. Redacted: switch redaction off in the workflow's settings. "
                    "Too large: let the trigger's executions carry less. They are tried again by themselves."
                ),
            )
        )  # fmt: skip
    return found


def _failures(store: Store, now: datetime, catalogue: Catalogue) -> list[Need]:
    moment = int(now.timestamp())
    start = moment - LOOK_BACK_DAYS * DAY_SECONDS

    def by_code(since: int, until: int | None = None) -> dict[str | int | None, Group]:
        chosen = MessageFilter(since_timestamp=since, until_timestamp=until)
        return {group.key: group for group in store.figures(chosen, Grouping.ERROR, young_since=moment)}

    lately, before = by_code(moment - DAY_SECONDS), by_code(moment - 2 * DAY_SECONDS, moment - DAY_SECONDS)
    found = []
    for key, group in by_code(start).items():
        entry = catalogue.lookup(None if key is None else str(key))
        people = group.people or 0
        if entry.alert == "never" or (entry.alert == "by_rate" and people < FEWEST):
            continue
        trend = tuple(days[key].counts.failed if key in days else 0 for days in (lately, before))
        choice = None
        if key is not None and str(key).isdigit():
            choice = Choice(status=tuple(sorted(FAILED)), error=(str(key),), since=str(start), people=True)
        title = entry.title if entry.known else group.label or entry.title
        code = f" ({str(key)[:20]})" if key is not None else ""
        found.append(
            Need(
                key=f"error {key}",
                sentence=f"{words.plural(group.counts.failed, 'message')} failed: {title[:90].rstrip('.')}{code}.",
                people=people,
                since=_oldest(store, choice, start),
                trend=(trend[0], trend[1]),
                advice=entry.advice,
                filter=choice,
                count=group.counts.failed,
                gravity="bad" if entry.alert == "at_once" else "warn",
            )
        )
    return found


def _oldest(store: Store, choice: Choice | None, start: int) -> int | None:
    if choice is None:
        return None
    chosen = MessageFilter(
        statuses=choice.status, failure_codes=(int(choice.error[0]),), since_timestamp=start, people_only=True,
        order="oldest", limit=1,
    )  # fmt: skip
    first = next(store.messages(chosen), None)
    return None if first is None else first.standing.latest_timestamp


def _refused(store: Store, now: datetime, catalogue: Catalogue) -> list[Need]:
    moment = int(now.timestamp())
    sends = store.sends(SendFilter(refused=True, since_timestamp=moment - LOOK_BACK_DAYS * DAY_SECONDS, limit=2_000))
    by_code: dict[str, list[tuple[int | None, str | None]]] = {}
    for send in itertools.islice(sends, 2_000):
        failure = read_failure(send.errors[0]) if send.errors else None
        code = "" if failure is None or failure.code is None else str(failure.code)
        at = None if send.sent_at is None else int(send.sent_at.timestamp())
        by_code.setdefault(code, []).append((at, send.conversation_id or send.input))
    found = []
    for code, ones in by_code.items():
        entry = catalogue.lookup(code or None)
        times = [at for at, _ in ones if at is not None]
        lately = sum(at >= moment - DAY_SECONDS for at in times)
        before = sum(moment - 2 * DAY_SECONDS <= at < moment - DAY_SECONDS for at in times)
        found.append(
            Need(
                key=f"refused {code}",
                sentence=f"WhatsApp refused {words.plural(len(ones), 'send')}: {entry.title.rstrip('.')}"
                f"{f' ({code[:20]})' if code else ''}.",
                people=len({who for _, who in ones if who}) or None,
                since=min(times, default=None), trend=(lately, before), advice=entry.advice, filter=None,
                gravity="bad",
            )
        )  # fmt: skip
    return found


def _stuck(store: Store, now: datetime) -> list[Need]:
    moment = int(now.timestamp())
    since, until = moment - STUCK_AT_MOST_SECONDS, moment - STUCK_FOR_SECONDS
    chosen = MessageFilter(statuses=("sent",), since_timestamp=since, until_timestamp=until, people_only=True)
    count = people = 0
    for group in store.figures(chosen, Grouping.USER, young_since=moment):
        count += group.counts.messages
        people += group.key is not None
    if not count:
        return []
    return [
        Need(
            key="stuck",
            sentence=f"One tick for more than 24 h: {words.plural(count, 'message')} not delivered.",
            people=people,
            since=None,
            trend=None,
            advice=(
                "The phone is off, or the person blocked you. Reach who matters another way; "
                "WhatsApp gives up after 30 days."
            ),
            filter=Choice(status=("sent",), since=str(since), until=str(until), people=True),
            count=count,
        )
    ]
