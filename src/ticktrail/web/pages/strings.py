"""Every word the pages say, in one place (product.md §6), and moments and numbers as people write them. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from ticktrail.messages.error_codes import Catalogue
from ticktrail.messages.failure_text import although, clause
from ticktrail.messages.model import FAILED, Message
from ticktrail.messages.rates import Share
from ticktrail.text.formatting import plural, short_duration
from ticktrail.text.sanitizing import one_line

NAME = "Ticktrail"
SKIP = "Skip to the content"
NEEDS = "Needs you"
FUNNEL = "Funnel"
MESSAGES = "Messages"
GROUPS = "Compare"
TRUST = "Can I trust this?"
TRUST_SHORT = "Trust"
FIND = "Find a person"
PERSON = "Person"
FIND_HINT = "Number, or its last digits"
FIND_TOO_LITTLE = "Type a whole number, or at least its last four digits."

NOTHING_NEEDS_YOU = "Nothing needs you."
NOTHING_NEEDS_YOU_HINT = "Messages are arriving as they should. This page keeps looking."
ACKNOWLEDGE = "Acknowledge"
ACKNOWLEDGE_HINT = "A note for your colleagues (optional)"
ACKNOWLEDGED = "Acknowledged"
TAKE_BACK = "Take back"
WHAT_TO_DO = "What to do"
AT_MOST = "at most"
PEOPLE = ("person", "people")
MESSAGES_NOUN = ("message", "messages")

LATEST = "Latest messages"
LATELY = "The last 7 days"
BY_DAY = "By day"
SHOW_SENDS = "Show the sends"
SHOW_TRUST = "See what is missing"
CANCEL = "Cancel"

EMPTY_LEDGER = "There is no message in this ledger yet."
EMPTY_LEDGER_HINT = "Bring in what n8n holds with: ticktrail sync. To look around first, type: ticktrail demo"
EMPTY_PERIOD = "Nothing was sent in this time."
EMPTY_PERIOD_HINT = "Choose a longer period."
EMPTY_LIST = "No message matches."
EMPTY_LIST_HINT = "Take a condition away, or choose a longer time."
EMPTY_PERSON = "No message to this number is in the ledger."
EMPTY_PERSON_HINT = "Look at the digits once more. What was sent before the ledger began is not in it."
AND_MORE = "and {count:,} more"
OR = " or "
PAGES = "Pages"
FIND_IT = "Find"
COLOURS = {"auto": "Colours go by your system", "dark": "Dark", "light": "Light"}
CHANGE_COLOURS = "{colours}. Change"
WHOSE_NUMBER_FITS = "{people} whose number fits"
MORE_PEOPLE = "There are more. Type more digits."

LOG_IN_TITLE = "Ticktrail: log in"
LOG_IN = "Log in"
TOKEN = "Token"  # noqa: S105 - a label
TOKEN_HINT = "What TICKTRAIL_DASHBOARD_TOKEN is set to where Ticktrail runs."  # noqa: S105 - a sentence
TOO_MANY_TOKENS = "Too many wrong tokens. Wait {seconds} seconds."
WRONG_TOKEN = "That is not the token."  # noqa: S105 - a sentence
FORM_TOO_LARGE = "The form is too large."
FORM_TOO_MANY = "The form has more fields than ours."

SHORT_FORMS = {
    "unread": "Not read yet",
    "undelivered": "Not delivered",
    "not_read": "Not read, failed too",
    "retryable": "Worth sending again",
}
STATUS_HINTS = {
    "sent": "One tick: WhatsApp took it, no phone has it yet",
    "delivered": "Two ticks: on the phone, and no receipt of reading",
    "read": "Blue ticks",
    "failed": "WhatsApp gave it up",
    "unread": "On the way or delivered, and not read so far",
    "undelivered": "On the way or failed",
    "not_read": "On the way, delivered or failed",
    "retryable": "Failed for a reason that passes",
}
CONDITIONS = {
    "to": ("To", "number, or its last digits"),
    "since": ("Sent since", "7d, yesterday, 2026-11-22"),
    "until": ("Sent before", "2h, 2026-11-22T14:30"),
    "updated_within": ("News within", "1h, 2d"),
    "template": ("Template", "name, or name/lang"),
    "campaign": ("Campaign", "label"),
    "number": ("Your number", "number, or its id"),
    "sent_by": ("Sent by workflow", "id"),
    "workflow": ("Reported by workflow", "id"),
    "country": ("Country", "SA, EG, …"),
    "instance": ("n8n", "name"),
}
GOOD_GROUPINGS = "Good ones: {names}."
NO_GROUPING = "Messages cannot be told apart by that."
BY = "By {grouping}"
SPARK = "from {first:.0f} % to {last:.0f} %"
TOLD_APART = "Told apart by"
PERIOD = "Period"
WORST_OF = "The worst {shown} of {named:,}."
NAMELESS = "{messages} {without}."
CHANGE = "Change, points"
NO_CHANGE = "Nothing to compare with: too few messages, or none that are final"
GROUP_HEADINGS = ("Top reason", "Delivered by day")
REASON_HEADINGS = ("Reason", "People not reached", "Messages")
UNKNOWN_CODE = "Unknown code"

BY_DAY_SENT = "By day sent"
DAY = "Day"
PARTS = {
    "read": "{count:,} read",
    "delivered": "{count:,} delivered, not read",
    "on_the_way": "{count:,} on the way",
    "failed": "{count:,} failed",
}
SUM = "{sent:,} sent = {delivered:,} delivered + {on_the_way:,} on the way + {failed:,} failed"
YOUNG = "{messages} not final: younger than 24 h"
HALF_WITHIN = "Half delivered within {half}, nine in ten within {nine} ({rest:,} not delivered so far)"
CONFLICTS = "{count:,} delivered although WhatsApp also reported an error"
NOT_COUNTED = "{messages} not counted here"
LEFT_OUT = {
    "other": ("message with another status", "messages with another status"),
    "groups": ("message to a group", "messages to a group"),
    "tests": ("test message", "test messages"),
}
POINTS = "{change} points"
ONE_TICK = "one tick so far"
HOW_TO_READ = "How to read these figures"
LATEST_DAYS = "The latest {shown} of {days:,} days."
DELIVERED_NOT_READ = "Delivered, not read"

CONDITIONS_LABEL = "Conditions"
MORE_CONDITIONS = "More conditions"
FAILURE_CODE = "Failure code"
FAILURE_CODE_HINT = "131026"
STATUS = "Status"
ALL = "All"
ORDER = "Order"
APPLY = "Apply"
CLEAR = "Clear"
PEOPLE_ONLY = "Without groups and tests"
TO_WHOM = "To {who}"
TAKE_AWAY = "Take away: {condition}"
FIRST_PAGE = "← To the first page"
NEXT_PAGE = "Next page →"
NEW = "{count:,} new"
SHOW_THEM = "Show them"

MESSAGE = "Message"
MESSAGE_HEADINGS = ("Time", "To", "Status", "About", "Sent with")
EMPTY_MESSAGE = "This message is not in the ledger."
ALTHOUGH = "delivered, although WhatsApp also reported an error ({code})"
NO_CODE = "no code"
MEMBERS = "{reached} of {all} members"
WHATSAPP_SAID = "WhatsApp said: {said}"
SENDING_AGAIN = "Send the same again? {answer}."
ARRIVED_ANYWAY = "It arrived all the same: there is nothing to do."
TIME_OF_EXECUTION = "time of the execution: the webhook carried none"
SEEN = "seen {count}\N{MULTIPLICATION SIGN}"
EXECUTION = "execution {execution}"
STATUSES_MORE = "and {count:,} statuses more"
FACTS = {
    "to": "To",
    "from": "From",
    "template": "Template",
    "campaign": "Campaign",
    "sent_by": "Sent by",
    "price": "Price",
    "instance": "n8n",
    "message_id": "Message id",
}
SENDER = "{node} in workflow {workflow}"
SENDING = "Sending"
BILLED = {True: "billed", False: "free"}

THREAD = "Conversation"
EARLIER = "↑ Earlier messages"
NEWEST = "↓ Newest messages"
TIMELINE = "Timeline"
OPEN_IN_N8N = "Open in n8n"
NOT_IN_LEDGER = "no status in the ledger"
TEXTS_AWAY = "The texts could not be read."
NO_TIME = "Time not known"
WHY_ELSEWHERE = "Those who may see everything are told why. Ask whoever runs Ticktrail."
LOADING = "Counting …"
TRY_AGAIN = "Try again"
ASKED_WRONG = "This could not be understood."
SETTINGS_WRONG = "The settings cannot be used."
BUSY = "Too many are looking just now."
STORE_AWAY = "The ledger did not answer."
BROKEN = "This page could not be made. Nothing in the ledger was changed."
BROKEN_HINT = "Load it again. If it stays so, the server's log says why."
NOT_FOUND = "There is no such page."
NOT_FOUND_HINT = "The address may have been cut off, or made by another installation."

SENT = "Sent"
DELIVERED = "Delivered"
READ = "Read"
ON_THE_WAY = "On the way"
FAILED_WORD = "Failed"
NOT_FINAL = "not final"
NOT_FINAL_HINT = "Younger than 24 hours: these figures still move."
COUNTED_HINT = "A message counts on the day it was sent. Every number opens the messages it counts."
ON_THE_WAY_HINT = "One tick: no phone has answered so far. If it stays, the phone is off or the person blocked you."
AT_LEAST = "≥"
MINUS = "\N{MINUS SIGN}"
READ_HINT = "At least so many: people can switch read receipts off, and read all the same."
CHANGE_HINT = (
    "The share delivered, in percentage points, against as long a time before. Messages younger than 24 h are left out."
)
DOWNLOAD_HINT = "Everything that matches, not this page alone."
DOWNLOAD_CSV = "CSV"
DOWNLOAD_XLSX = "XLSX"

PERIODS = {"today": "Today", "7d": "7 days", "30d": "30 days", "90d": "90 days", "all": "All time"}
GROUPINGS = {
    "template": "Template",
    "sender": "Automation",
    "number": "Number",
    "campaign": "Campaign",
    "error": "Reason",
}
NO_GROUP = {
    "template": "without a known template",
    "sender": "without a known automation",
    "number": "without a known number",
    "campaign": "without a campaign",
    "error": "without a code",
}

STATUSES = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "played": "played",
    "failed": "failed",
    "undelivered": "not delivered",
    "deleted": "deleted",
    "warning": "warning",
}

LOG_OUT = "Log out"
VIEWERS_FIND_NOBODY = "Viewers cannot look for a person."
VIEWERS_FIND_NOBODY_HINT = "Whoever has TICKTRAIL_DASHBOARD_TOKEN can: log out, and in again with it."

SENDS = "Sends"
SENDS_HINT = "What n8n handed to WhatsApp. What was refused never became a message."
SENDS_LINK = "Sends, refused ones too →"
SENDS_HEADINGS = ("Time", "To", "Template", "Sent by", "Answer", "Why, and what to do")
SENDS_KINDS = {
    "": "All",
    "refused": "Refused",
    "accepted": "Accepted",
    "unconfirmed": "Accepted, then silence",
}
SENDS_AT_LEAST = "more than {:,} sends"
EMPTY_SENDS = "No send is known yet."
EMPTY_SENDS_HINT = "Sends are read from the executions that sent. Type: ticktrail sync"
EMPTY_SENDS_LIST = "No send matches."
REFUSED = "refused"
HELD = "held back"
HELD_HINT = "WhatsApp looks at the quality of this template before it sends."
NO_STATUS = "no status yet"
NO_STATUS_HINT = "WhatsApp accepted it, and no status has come since. Wait a minute; then ask: ticktrail doctor"
SEND_ANSWERS = {"accepted": "accepted", "held_for_quality_assessment": HELD, "paused": "paused"}
NO_RECIPIENT = "not known"
SEND_CONDITIONS = {
    **{name: CONDITIONS[name] for name in ("since", "until", "template")},
    "workflow": CONDITIONS["sent_by"],
}
EXACT_TEMPLATE = "Template {}"
EXACT_LANGUAGE = "Language {}"
EXACT_NUMBER = "From {}"
FIGURES_DOWNLOAD_HINT = "The figures of this period, every row, with all counts."

ORDERS = {"newest": "newest status first", "oldest": "oldest status first", "updated": "latest news first"}


def number(count: int) -> str:
    """``1,204``."""
    return f"{count:,}"


def show_messages(count: int) -> str:
    """``Show 12 messages``: what the list behind a cause has."""
    return f"Show {plural(count, 'message')}"


def and_more(count: int) -> str:
    """What a list leaves out: ``and 3 more``."""
    return f"and {count:,} more"


def trend(lately: int, before: int) -> tuple[str, str]:
    """Whether a cause grows: ``more``, ``fewer`` or ``same``, and that in words."""
    if not before:
        return "more", "new"
    if lately == before:
        return "same", "→ no change"
    return ("more", "↑ growing") if lately > before else ("fewer", "↓ easing")


def capital(text: str) -> str:
    """The same, its first letter a capital."""
    return text[:1].upper() + text[1:]


def status(name: str) -> str:
    """A status as one word beside its tick."""
    return STATUSES.get(name, one_line(name, 24))


def of_whole(share: Share, whole: str, *, at_least: bool = False) -> str:
    """``97.1 % of sent``, ``≥ 63.0 % of delivered``; nothing for few messages, a dash where there is no telling."""
    if share.missing is not None or not share.percent:
        return share.percent
    return f"{AT_LEAST + ' ' if at_least else ''}{share.percent} of {whole}"


def lines(text: str, longest: int) -> str:
    """A text of several lines, each fit for a screen, cut to so many characters."""
    return "\n".join(one_line(line, longest) for line in text[:longest].splitlines()[:500])


def points(change: float | None) -> str:
    """A change of a rate: ``+1.2`` points."""
    if change is None:
        return ""
    shown = round(change * 100, 1)
    sign = "+" if shown > 0 else MINUS if shown < 0 else "±"
    return f"{sign}{abs(shown):.1f}"


def clock(timestamp: int | None, zone: tzinfo, now: datetime, *, seconds: bool = False) -> str:
    """A moment as one says it today: ``14:03``, ``yesterday 14:03``, ``12 Nov 14:03``, ``12 Nov 2025 14:03``."""
    if timestamp is None or not 0 <= timestamp <= 253_402_214_400:
        return "no time"
    moment, today = datetime.fromtimestamp(timestamp, zone), now.astimezone(zone).date()
    time = f"{moment:%H:%M:%S}" if seconds else f"{moment:%H:%M}"
    if moment.date() == today:
        return time
    if moment.date() == today - timedelta(days=1):
        return f"yesterday {time}"
    year = f" {moment.year}" if moment.year != today.year else ""
    return f"{moment.day} {moment:%b}{year} {time}"


def day(name: str, now: datetime, zone: tzinfo) -> str:
    """A day named ``2026-11-22`` as one says it: ``today``, ``yesterday``, ``Sun 22 Nov``."""
    moment, today = datetime.fromisoformat(name).date(), now.astimezone(zone).date()
    if moment == today:
        return "today"
    if moment == today - timedelta(days=1):
        return "yesterday"
    year = f" {moment.year}" if moment.year != today.year else ""
    return f"{moment:%a} {moment.day} {moment:%b}{year}"


def age(seconds: float) -> str:
    """Return how long ago something was: ``a moment``, ``12 min``, ``3 h``."""
    return "a moment" if seconds < 60 else short_duration(seconds)


def sentence(message: Message, zone: tzinfo, now: datetime, catalogue: Catalogue) -> str:
    """Where a message stands, as one would say it: ``Delivered 14:03, not read yet``."""
    state = message.state
    when = clock(state.latest_timestamp, zone, now)
    word = status(state.latest_status)
    if state.latest_status in FAILED:
        return f"Failed {when}: {clause(state.failure, catalogue)}"
    text = f"{word[:1].upper()}{word[1:]} {when}"
    if state.conflict:
        text += f", {although(state.failure.code if state.failure else None)}"
    if state.latest_status == "sent":
        waiting = now.timestamp() - state.latest_timestamp if state.latest_timestamp is not None else 0
        if waiting > 86_400:
            return f"One tick for {short_duration(int(waiting))}: phone off, or the person blocked you"
        return f"{text}, not delivered yet"
    return f"{text}, not read yet" if state.latest_status == "delivered" else text
