"""Numbers, moments and statuses in words of the current language. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from ticktrail.messages.error_codes import Catalogue
from ticktrail.messages.failure_text import failure_clause
from ticktrail.messages.model import FAILED, Message
from ticktrail.messages.rates import Share
from ticktrail.text.formatting import short_duration
from ticktrail.text.sanitizing import one_line
from ticktrail.web.pages.command_texts import from_english
from ticktrail.web.pages.translation import gettext as _
from ticktrail.web.pages.translation import isolated, mark

AT_LEAST = "≥"
MINUS = "\N{MINUS SIGN}"

_MONTHS = (
    *(mark("Jan"), mark("Feb"), mark("Mar"), mark("Apr"), mark("May"), mark("Jun")),
    *(mark("Jul"), mark("Aug"), mark("Sep"), mark("Oct"), mark("Nov"), mark("Dec")),
)
_WEEKDAYS = (mark("Mon"), mark("Tue"), mark("Wed"), mark("Thu"), mark("Fri"), mark("Sat"), mark("Sun"))
_CITIES = (mark("Riyadh"),)
"""Names of time zones that are translated; others stay as they are."""

_STATUSES = {
    "sent": mark("sent"),
    "delivered": mark("delivered"),
    "read": mark("read"),
    "played": mark("played"),
    "failed": mark("failed"),
    "undelivered": mark("not delivered"),
    "deleted": mark("deleted"),
    "warning": mark("warning"),
}

_LAST_MOMENT = 253_402_214_400


def number(count: int) -> str:
    """``1,204``."""
    return f"{count:,}"


def capital(text: str) -> str:
    """Capitalise the first letter."""
    return text[:1].upper() + text[1:]


def status(name: str) -> str:
    """A status as one word."""
    return _(_STATUSES[name]) if name in _STATUSES else one_line(name, 24)


def percent(share: Share, *, at_least: bool = False) -> str:
    """``97.1 %``, ``≥ 63.0 %``; empty for few messages, a dash where there is no telling."""
    if share.missing is not None or not share.percent:
        return share.percent
    return f"{AT_LEAST} {share.percent}" if at_least else share.percent


def points(change: float | None) -> str:
    """A change of a rate in percentage points: ``+1.2``; empty when there is none to tell."""
    if change is None:
        return ""
    shown = round(change * 100, 1)
    sign = "+" if shown > 0 else MINUS if shown < 0 else "±"
    return f"{sign}{abs(shown):.1f}"


def trend(lately: int, before: int) -> tuple[str, str]:
    """The development of a cause: ``more``, ``fewer`` or ``same``, and that in words."""
    if not before:
        return "more", _("new")
    if lately == before:
        return "same", _("no change")
    return ("more", _("growing")) if lately > before else ("fewer", _("easing"))


def date_of(moment: datetime, now: datetime) -> str:
    """``22 Nov``, with the year where it is another."""
    year = f" {moment.year}" if moment.year != now.astimezone(moment.tzinfo).year else ""
    return f"{moment.day} {_(_MONTHS[moment.month - 1])}{year}"


def clock(timestamp: int | None, zone: tzinfo, now: datetime, *, seconds: bool = False) -> str:
    """A moment as people say it: ``14:03``, ``yesterday 14:03``, ``12 Nov 14:03``, ``12 Nov 2025 14:03``."""
    if timestamp is None or not 0 <= timestamp <= _LAST_MOMENT:
        return _("no time")
    moment, today = datetime.fromtimestamp(timestamp, zone), now.astimezone(zone).date()
    time = f"{moment:%H:%M:%S}" if seconds else f"{moment:%H:%M}"
    if moment.date() == today:
        return time
    if moment.date() == today - timedelta(days=1):
        return _("yesterday {time}").format(time=time)
    return f"{date_of(moment, now)} {time}"


def time_alone(timestamp: int | None, zone: tzinfo) -> str:
    """``14:03``, where the day is shown elsewhere."""
    if timestamp is None or not 0 < timestamp <= _LAST_MOMENT:
        return ""
    return f"{datetime.fromtimestamp(timestamp, zone):%H:%M}"


def iso(timestamp: int | None, zone: tzinfo) -> str:
    """A moment in full, for hover and programs; empty for none."""
    if timestamp is None or not 0 <= timestamp <= _LAST_MOMENT:
        return ""
    return datetime.fromtimestamp(timestamp, zone).isoformat(sep=" ")


def day(name: str, now: datetime, zone: tzinfo, *, weekday: bool = True) -> str:
    """A day named ``2026-11-22`` as people say it: ``Today``, ``Yesterday``, ``Sun 22 Nov``."""
    moment = datetime.fromisoformat(name).replace(tzinfo=zone)
    today = now.astimezone(zone).date()
    if moment.date() == today:
        return _("Today")
    if moment.date() == today - timedelta(days=1):
        return _("Yesterday")
    date = date_of(moment, now)
    return f"{_(_WEEKDAYS[moment.weekday()])} {date}" if weekday else date


def duration(seconds: float) -> str:
    """``5 s``, ``12 min``, ``3 h 5 min``, in the current language."""
    return isolated(from_english(short_duration(seconds)))


def age(seconds: float) -> str:
    """A time since something: ``a moment``, ``12 min``, ``3 h``."""
    return _("a moment") if seconds < 60 else duration(seconds)


def zone_name(zone: tzinfo, now: datetime) -> str:
    """``Riyadh time, UTC+3``."""
    offset = now.astimezone(zone).utcoffset() or timedelta()
    minutes = int(offset.total_seconds() // 60)
    sign = MINUS if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    utc = "UTC" if not minutes else f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")
    city = str(zone).rpartition("/")[2].replace("_", " ")
    return utc if city in {"UTC", "GMT"} else _("{city} time, {utc}").format(city=_(city), utc=isolated(utc))


def lines(text: str, longest: int) -> str:
    """A text of several lines, each fit for a screen, cut to so many characters."""
    return "\n".join(one_line(line, longest) for line in text[:longest].splitlines()[:500])


def delay(message: Message) -> str:
    """The time a message took to reach its status: ``in 6 s``; empty where that is not known."""
    state = message.state
    sent = state.sent_timestamp
    reached = {"delivered": state.delivered_timestamp, "read": state.read_timestamp, "played": state.played_timestamp}
    at = reached.get(state.latest_status)
    if sent is None or at is None or at < sent:
        return ""
    return _("in {time}").format(time=duration(at - sent))


def sentence(message: Message, zone: tzinfo, now: datetime, catalogue: Catalogue) -> str:
    """The state of a message as people say it: ``Delivered 14:03, not read yet``."""
    state = message.state
    when = clock(state.latest_timestamp, zone, now)
    if state.latest_status in FAILED:
        return _("Failed {when}: {reason}").format(
            when=when, reason=from_english(failure_clause(state.failure, catalogue))
        )
    text = f"{capital(status(state.latest_status))} {when}"
    if state.conflict:
        code = state.failure.code if state.failure else None
        text += ", " + _("although WhatsApp also reported an error")
        return text if code is None else f"{text} ({one_line(str(code), 40)})"
    if state.latest_status == "sent":
        waiting = now.timestamp() - state.latest_timestamp if state.latest_timestamp is not None else 0
        if waiting > 86_400:
            return _("One tick for {time}: phone off, or the person blocked you").format(time=duration(int(waiting)))
        return f"{text}, " + _("not delivered yet")
    return f"{text}, " + _("not read yet") if state.latest_status == "delivered" else text
