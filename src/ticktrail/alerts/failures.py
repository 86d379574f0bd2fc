"""Failed messages and refused sends → one alert for each cause. Pure.

What a code concerns (``scope`` in the catalogue) decides what one cause is: an expired token is one cause whatever
templates it keeps from going out; an undeliverable message is one for each template (or sending workflow) and number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo

import msgspec

from ticktrail.alerts.alert import HOUR_SECONDS, Alert, AlertKind, key_of
from ticktrail.messages.error_codes import Catalogue, FailureCode, plain_code
from ticktrail.messages.failure_causes import CauseCount
from ticktrail.messages.filters import MessageFilter, SendFilter
from ticktrail.messages.model import FAILED
from ticktrail.settings.alert_rules import Rules
from ticktrail.text.formatting import long_duration, people_text, percent, plural, recent_time, safe_name
from ticktrail.text.masking import mask_number
from ticktrail.text.phone_numbers import own_name

CALM_SECONDS = HOUR_SECONDS
"""Without a failure for so long, and with a success since: then what counts at once is over."""

_WIDE = frozenset({"app", "account", "platform", "country"})
"""Scopes of codes that concern everything that is sent."""


class Failures(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one span of time.

    Attributes:
        messages: by cause, those that did not fail included; ``sends`` likewise.
        people: recipients who did not get a message, by code: those of several causes counted once.
    """

    messages: Sequence[CauseCount] = ()
    sends: Sequence[CauseCount] = ()
    people: Mapping[str, int] = {}

    @property
    def checked(self) -> tuple[int, int]:
        """The number of messages with a status, and of sends."""
        messages, sends = (sum(one.count for one in part) for part in (self.messages, self.sends))
        return messages, sends


class _Cause(msgspec.Struct, frozen=True):
    """Identity of one cause; None where a part does not matter or is unknown."""

    code: str | None
    template: str | None = None
    workflow_id: str | None = None
    number: str | None = None

    def meets(self, other: CauseCount, *, sends: bool) -> bool:
        """Return True for messages or sends that this cause could have concerned."""
        return (
            self.template in (None, other.template)
            and self.workflow_id in (None, other.workflow_id)
            # A send does not say its number.
            and (sends or self.number in (None, other.number))
        )


class _Failed(msgspec.Struct, frozen=True, kw_only=True):
    """The failures of one cause."""

    messages: tuple[CauseCount, ...] = ()
    sends: tuple[CauseCount, ...] = ()

    @property
    def count(self) -> int:
        return sum(one.count for one in (*self.messages, *self.sends))

    @property
    def first(self) -> int | None:
        return min((t for one in (*self.messages, *self.sends) if (t := one.first_timestamp) is not None), default=None)

    @property
    def last(self) -> int | None:
        return max((t for one in (*self.messages, *self.sends) if (t := one.last_timestamp) is not None), default=None)


class AlertContext(msgspec.Struct, frozen=True):
    """The time, the time zone, and the names of sending numbers and of workflows.

    Attributes:
        numbers: the user's names, by number or phone number id.
        workflows: n8n's names, by workflow id.
    """

    now: datetime
    zone: tzinfo
    numbers: Mapping[str, str] = {}
    workflows: Mapping[str, str] = {}

    def workflow(self, workflow_id: str) -> str:
        """Return the name of a workflow for a sentence, else its id: ``workflow Order updates``."""
        return f"workflow {safe_name(self.workflows.get(workflow_id, workflow_id))}"


def failure_alerts(
    found: Failures, before: Failures, rules: Rules, catalogue: Catalogue, at: AlertContext
) -> list[Alert]:
    """Return the alerts of failed messages and refused sends.

    Args:
        found: in the window of the rules that ends now; ``before``: in the one of the same length before that.
    """
    earlier = {cause: failed.count for cause, failed in _causes(before, catalogue).items()}
    alerts = []
    for cause, failed in _causes(found, catalogue).items():
        entry = catalogue.lookup(cause.code)
        if entry.alert == "never" or (cause.code or "none") in rules.off:
            continue
        whole = _whole(cause, found)
        if entry.alert == "at_once":
            if _is_over(cause, failed, found, at.now):
                continue
        elif whole < rules.at_least or failed.count < rules.rates.get(str(cause.code), rules.rate) * whole:
            continue
        alerts.append(_alert(cause, failed, found, entry, rules, at, before=earlier.get(cause, 0), whole=whole))
    return alerts


def _causes(found: Failures, catalogue: Catalogue) -> dict[_Cause, _Failed]:
    causes: dict[_Cause, _Failed] = {}
    for name in ("messages", "sends"):
        for one in getattr(found, name):
            if not one.failed:
                continue
            plain = plain_code(one.code)
            code = None if plain is None else str(plain)
            cause = _told_by(catalogue.lookup(code), code, one)
            known = causes.get(cause, _Failed())
            causes[cause] = msgspec.structs.replace(known, **{name: (*getattr(known, name), one)})
    return causes


def _told_by(entry: FailureCode, code: str | None, one: CauseCount) -> _Cause:
    """Return the cause that failures of one kind belong to."""
    workflow_id = None if one.template else one.workflow_id
    if entry.scope in _WIDE:
        return _Cause(code)
    if entry.scope == "number":
        return _Cause(code, number=one.number)
    if entry.scope in {"template", "flow"}:
        return _Cause(code, one.template, workflow_id)
    if entry.scope == "workflow":
        return _Cause(code, workflow_id=one.workflow_id)
    return _Cause(code, one.template, workflow_id, one.number)


def _whole(cause: _Cause, found: Failures) -> int:
    """Return the number of messages and refused sends that this cause could have concerned."""
    messages = sum(message.count for message in found.messages if cause.meets(message, sends=False))
    return messages + sum(send.count for send in found.sends if send.failed and cause.meets(send, sends=True))


def _is_over(cause: _Cause, failed: _Failed, found: Failures, now: datetime) -> bool:
    last = failed.last
    if last is None or now.timestamp() - last < CALM_SECONDS:
        return False
    messages = (message for message in found.messages if not message.failed and cause.meets(message, sends=False))
    sends = (send for send in found.sends if not send.failed and cause.meets(send, sends=True))
    return any((one.last_timestamp or 0) > last for one in (*messages, *sends))


def _alert(
    cause: _Cause,
    failed: _Failed,
    found: Failures,
    entry: FailureCode,
    rules: Rules,
    at: AlertContext,
    *,
    before: int,
    whole: int,
) -> Alert:
    people, at_most = _people(cause, failed, found, entry)
    at_once = entry.alert == "at_once"
    first = failed.first
    since = "" if first is None else f" since {recent_time(first, at.now, at.zone)}"
    counted = _counted(failed, None if at_once else whole, people_text(people, at_most=at_most))
    says = f"{counted}{since}. In the {long_duration(rules.window)} before that: {f'{before:,}' if before else 'none'}."
    title = one_title(entry, [one.title for one in (*failed.messages, *failed.sends)], cause.code)
    return Alert(
        key=key_of(cause.code or "none", cause.template, cause.workflow_id, cause.number),
        kind=AlertKind.FAILING,
        urgency="urgent" if at_once else "warning",
        title=", ".join([title, *_subjects(cause, failed, at)]),
        says=says,
        remedy=entry.advice,
        messages=failed.count,
        people=people,
        people_at_most=at_most,
        before=before,
        since_timestamp=first,
        listing=_listing(cause, failed, int(at.now.timestamp()) - rules.window),
    )


def one_title(entry: FailureCode, reported: Iterable[str | None], code: str | None) -> str:
    """``Message undeliverable (131026)``; for an unknown code, the title that was reported."""
    given = max((title for title in reported if title), default="")
    title = entry.title if entry.known or not given else safe_name(given)
    return f"{title} ({safe_name(code, 40)})" if code else title


def _counted(failed: _Failed, whole: int | None, people: str) -> str:
    """``24 of 240 messages (10.0 %) to 21 people failed``, ``12 sends to 9 people were refused``."""
    messages, sends = (sum(one.count for one in part) for part in (failed.messages, failed.sends))
    people = people and f" {people}"
    if whole is not None:
        share = percent(failed.count / whole)
        return f"{failed.count:,} of {plural(whole, 'message')} ({share}){people} failed"
    refused = f"{plural(sends, 'send')}{people} {'was' if sends == 1 else 'were'} refused"
    if not messages:
        return refused
    if not sends:
        return f"{plural(messages, 'message')}{people} failed"
    both = f"{plural(messages, 'message')} failed and {plural(sends, 'send')} {'was' if sends == 1 else 'were'} refused"
    return f"{both},{people}" if people else both


def _people(cause: _Cause, failed: _Failed, found: Failures, entry: FailureCode) -> tuple[int, bool]:
    """Return the number of people, and whether it is an upper limit: one person may be in several counts."""
    counts = [one.people for one in (*failed.messages, *failed.sends)]
    if not failed.sends and entry.scope in _WIDE and cause.code in found.people:
        return found.people[str(cause.code)], False
    return sum(counts), sum(count > 0 for count in counts) > 1


def _subjects(cause: _Cause, failed: _Failed, at: AlertContext) -> list[str]:
    subjects = []
    if cause.template:
        subjects.append(f"template {safe_name(cause.template)}")
    if cause.workflow_id:
        subjects.append(at.workflow(cause.workflow_id))
    if cause.number:
        label = max((message.number_label for message in failed.messages if message.number_label), default=None)
        subjects.append(f"from {number_name(cause.number, label, at.numbers)}")
    return subjects


def number_name(number: str, label: str | None, names: Mapping[str, str]) -> str:
    """Return the user's name of a sending number, else the masked number."""
    own = own_name(names, number, label)
    return safe_name(own) if own else mask_number(label or number)


def _listing(cause: _Cause, failed: _Failed, since: int) -> MessageFilter | SendFilter:
    """Return the filter of the messages of a cause, or of the sends where there are no messages."""
    plain = plain_code(cause.code)
    codes = (plain,) if isinstance(plain, int) else ()
    if not failed.messages:
        return SendFilter(
            refused=True,
            failure_codes=codes,
            since_timestamp=since,
            workflow_id=cause.workflow_id,
            template=cause.template,
        )
    return MessageFilter(
        people_only=True,
        statuses=tuple(sorted(FAILED)),
        failure_codes=codes,
        since_timestamp=since,
        template=cause.template,
        sending_workflow_id=cause.workflow_id,
        sending_numbers=(cause.number,) if cause.number else (),
    )
