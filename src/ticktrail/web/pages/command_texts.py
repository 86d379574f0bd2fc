"""Sentences that commands and pages share (alerts, reasons, advice), in the language of the visitor.

Alerts and reasons are made in English: they are stored, sent to channels and printed. A page finds the template that
made a sentence, and fills the translated template with the same values. Sentences without a template stay English.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources

import msgspec

from ticktrail.messages.error_codes import Catalogue, Code, FailureCode, packaged
from ticktrail.web.pages import translation
from ticktrail.web.pages.translation import gettext as _
from ticktrail.web.pages.translation import mark, mark_plural, ngettext, speaking

_COUNTED = (
    mark_plural("{count} message", "{count} messages"),
    mark_plural("{count} send", "{count} sends"),
    mark_plural("{count} person", "{count} people"),
    mark_plural("{count} workflow", "{count} workflows"),
    mark_plural("{count} execution", "{count} executions"),
    mark_plural("{count} webhook", "{count} webhooks"),
    mark_plural("{count} day", "{count} days"),
    mark_plural("{count} hour", "{count} hours"),
    mark_plural("{count} minute", "{count} minutes"),
    mark_plural("{count} second", "{count} seconds"),
)

_TEMPLATES = (
    # Values
    mark("none"), mark("yesterday {time}"), mark("at most {people}"),
    mark("template {name}"), mark("workflow {name}"), mark("from {number}"),
    # What was checked
    mark("No message was sent in the last {time}."),
    mark("Checked {messages} with a status and {sends} of the last {time}."),
    mark("No sync with n8n has run."),
    mark("{workflows} not synced yet."),
    mark("{workflows} synced up to {time}."),
    # Failures
    mark("{failed} of {messages} ({share}) to {people} failed"),
    mark("{failed} of {messages} ({share}) failed"),
    mark("{messages} failed and {sends} were refused, to {people}"),
    mark("{messages} failed and {sends} was refused, to {people}"),
    mark("{messages} failed and {sends} were refused"),
    mark("{messages} failed and {sends} was refused"),
    mark("{messages} to {people} failed"),
    mark("{messages} failed"),
    mark("{sends} to {people} were refused"),
    mark("{sends} to {people} was refused"),
    mark("{sends} were refused"),
    mark("{sends} was refused"),
    mark("In the {time} before that: {count}."),
    # A workflow that answers itself
    mark("Answers to its own status updates"),
    mark(
        "WhatsApp refused {sends} without a recipient since {time}, from the node '{node}': status updates "
        "started the workflow."
    ),
    mark("WhatsApp refused {sends} without a recipient, from the node '{node}': status updates started the workflow."),
    mark("No customer misses a message."),
    mark("Add a Filter node right after the trigger that continues only if {{ $json.messages }} exists."),
    mark("Status updates then end there; Ticktrail reads them all the same."),
    # Sends without a status
    mark("Accepted messages without any status"),
    mark(
        "{count} of {messages} that WhatsApp accepted in the last {time} have had no status for over an "
        "hour: WhatsApp dropped them, or their statuses do not reach Ticktrail."
    ),
    mark(
        "If other messages of this number get statuses, WhatsApp dropped these: check the recipients (user "
        "ids where numbers belong?), the account's quality and limits in WhatsApp Manager, and ask Meta's "
        "support with the message ids."
    ),
    mark("Else check that the statuses of this number reach a synced workflow: ticktrail doctor"),
    # Messages with one tick
    mark("One tick for more than {time}"),
    mark("{count} of {messages} ({share}) still have one tick, of those sent in the {window} that ended {time} ago."),
    mark("In the last 30 days: {count}."),
    mark("One tick that stays means: the phone is off, or the person blocked you."),
    mark(
        "Many at once can be a list of old numbers, or trouble at Meta: look at metastatus.com, then reach "
        "these people another way."
    ),
    # A lower delivery rate
    mark("Fewer messages are delivered"),
    mark(
        "Of the messages sent since {time} whose times are known, {share} ({part} of {whole}) were delivered "
        "within an hour."
    ),
    mark("A week before, at the same age: {share} ({part} of {whole})."),
    mark("See what fails and what is on the way: ticktrail stats --by error --since 25h"),
    # Silence
    mark("Statuses have stopped coming"),
    mark("No status has ever come, although Meta accepted {messages}."),
    mark("No status has come for {time}, although Meta accepted {messages} since."),
    mark("No status has come for {time}."),
    mark("The longest pause in the fourteen days before was {time}."),
    mark("Meta reports each status once."),
    mark(
        "Look whether the workflow is active, its trigger lets statuses through and n8n saves its "
        "executions: ticktrail doctor"
    ),
    # Syncs
    mark("Syncs are late"),
    mark("No sync of this workflow has succeeded yet."),
    mark("Complete up to {until}; no sync has succeeded for {age}."),
    mark("The last sync failed: {error}"),
    mark("n8n deletes executions after a while, with their statuses."),
    mark("Type: ticktrail sync"),
    # Executions
    mark("n8n withheld {executions}"),
    mark("It may hold statuses."), mark("They may hold statuses."),
    mark("List them with their reasons: ticktrail audit --verbose"),
    mark("The store refused data of {executions}"),
    mark("These statuses are not stored."),
    mark("Check the store: ticktrail doctor"),
    mark("Statuses are missing"), mark("Statuses may be missing"),
    mark("No data from executions {first} to {last}: n8n deleted these executions before they were read."),
    mark("No data from {begin} to {end}: n8n deleted these executions before they were read."),
    mark("These statuses are lost."),
    mark("Sync more often, or let n8n keep more: ticktrail doctor"),
    mark("n8n deleted {executions} before the data could be read."),
    mark("{executions} not read"),
    mark("They hold what looks like a status or a send and cannot be trusted: {reasons}."),
    mark("See what to change in the workflow: ticktrail doctor"),
    # Reasons of executions
    mark("redacted"), mark("too large"), mark("without data"), mark("empty"), mark("unreadable"),
    mark("crashed, data lost"), mark("trimmed"), mark("body stored as a file"), mark("damaged"), mark("data missing"),
    mark("deleted meanwhile"), mark("webhook of another provider"), mark("status inside a text that is not opened"),
    mark("status of unproven origin"), mark("send of unproven origin"), mark("unknown"),
    # The API key
    mark("n8n's API key"),
    mark("This is an n8n token, but not for the public API."),
    mark("The key expired {time} ago, on {day}."),
    mark("The key expires in {time}, on {day}."),
    mark("Then syncing stops."),
    mark("Create a new key at {page}, then type: ticktrail init"),
    # The receiver
    mark("Webhooks wait in the journal"),
    mark("{webhooks} to store and {count} to forward, the oldest since {time}: {reasons}."),
    mark("{webhooks} to store and {count} to forward, the oldest since {time}."),
    mark("Check n8n and the store."),
    mark("Nothing is lost: type ticktrail receive --status for details."),
    mark("Webhooks could not be passed on"),
    mark("{webhooks} could not be stored or forwarded: {reasons}."),
    mark("{webhooks} could not be stored or forwarded."),
    mark("Type ticktrail receive --status for the reasons, and ticktrail receive --replay to try again."),
    # Failures
    mark("no reason given"), mark("No reason given"), mark("Unknown code"),
    mark("WhatsApp reported the failure without a code."),
    mark("Open the execution in n8n for its details."),
    mark("Ticktrail does not know this code."),
    mark("Messages that fail with it are counted like others."),
    mark("See what WhatsApp reported and Meta's page of error codes, and put your own advice into ticktrail.toml."),
    mark("not known"), mark("no: as things stand it would fail again"), mark("yes, at once"), mark("yes, after {time}"),
    # Statistics without groups
    mark("There are no messages in this period."), mark("No message has a time."), mark("No message failed."),
    mark("No message has a recipient whose phone number is known."),
    mark("Statuses do not name the template or the workflow that sent the message."),
    mark(
        "Ticktrail reads both from the executions of the sending workflow: add its id to "
        "WORKFLOW_ID_WHATSAPP, let n8n save its executions (in the workflow's settings), and type: ticktrail "
        "sync"
    ),
    # Errors of typed conditions
    mark("That is not a period."), mark("Good ones: {values}."),
    mark("{value} is not a time."), mark("{value} is not a duration."), mark("Use one of: {values}."),
    mark("{value} is not a failure code."), mark("Codes are whole numbers, such as {code}."),
    mark("{value} is not a message status."), mark("{value} is not an order."),
    mark("{value} is not a country code."), mark("Use an ISO code such as {values}."),
    mark("Numbers of {region} cannot be told from those of {chief}: both begin with {code}."),
    mark("The value is empty."), mark("Give a value, or leave the condition out."),
    mark("There is no template name."), mark("Use NAME or NAME/LANGUAGE."), mark("Use {values}."),
    mark("{begin} is not before {end}, so nothing can match."), mark("Give {begin} an earlier time than {end}."),
    mark("The recipient is empty."),
    mark("Give a phone number such as {number}, its last {count} digits or more, or another id."),
    mark("{count} digit is too few to find a person by."), mark("{count} digits are too few to find a person by."),
    mark("Give the whole number, or its last {count} digits or more."),
    mark("This is neither a whole phone number nor the end of one."),
    mark("No message can match all conditions on its status."), mark("Leave one of them out."),
    mark("None of the error codes is temporary, so no message can match."), mark("Leave one of the two out."),
    mark("A send that Meta refused is not accepted and gets no status, so no send can match."),
    mark("Ask for refused sends or for accepted ones."),
    mark("A part of this address comes from another installation, or was cut off."),
    mark("Copy the whole address again, or search for the person again."),
    mark("Too many requests are waiting for the store."), mark("Try again in a few seconds."),
    # Last, because it begins with any statement
    mark("{statement} since {time}."),
)  # fmt: skip

_UNITS = {"s": mark("{count} s"), "min": mark("{count} min"), "h": mark("{count} h"), "d": mark("{count} d")}
_DURATION = re.compile(r"[\d,.]+ (?:s|min|h|d)(?: \d+ (?:s|min|h))?")
_PART = re.compile(r"([\d,.]+) (\w+)")

_SENTENCES = re.compile(r"(?<=[.!?]) +(?=\S)")
_DATE = re.compile(r"(\d{1,2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (\d\d:\d\d)")
_COUNT = re.compile(r"([\d,]+) (.+)")


def from_english(text: str) -> str:
    """Return a sentence of the commands, or several, in the current language; unknown ones stay English."""
    language = translation.current()
    return text if language == "en" else _translated(text, language)


def error_text(text: str) -> str:
    """Return an error of a typed condition in the current language; a field's label may stand before it."""
    whole = from_english(text)
    field, colon, problem = text.partition(": ")
    return f"{field}: {from_english(problem)}" if colon and whole == text else whole


class TranslatedCatalogue(Catalogue, frozen=True):
    """The catalogue of failure codes, with titles and advice in the current language."""

    def lookup(self, code: Code | None) -> FailureCode:
        """Return the entry of a code."""
        entry = super().lookup(code)
        if translation.current() == "en":
            return entry
        return msgspec.structs.replace(entry, title=from_english(entry.title), advice=from_english(entry.advice))


@functools.lru_cache(maxsize=2_000)
def _translated(text: str, language: str) -> str:
    with speaking(language):
        return _failure_texts(language).get(text) or " ".join(map(_sentence, _SENTENCES.split(text)))


def _sentence(text: str) -> str:
    found = _known(text)
    if found is not None:
        return found
    # A list of reasons: each part must be known.
    parts = [_known(part) for part in text.removesuffix(".").split(", ")]
    known = [part for part in parts if part is not None]
    return listed(known) + text[len(text.removesuffix(".")) :] if len(known) == len(parts) else text


def listed(parts: Iterable[str]) -> str:
    """Join parts by the comma of the current language."""
    comma = _(", ")
    return comma.join(parts)


def _known(text: str) -> str | None:
    """A text that one template made, translated; None for others."""
    date = _DATE.fullmatch(text)
    if date is not None:
        return f"{date[1]} {_(date[2])} {date[3]}"
    if _DURATION.fullmatch(text):
        return " ".join(_(_UNITS[unit]).format(count=count) for count, unit in _PART.findall(text))
    title, _space, code = text.rpartition(" (")
    known = _failure_texts(translation.current()).get(title)
    if known is not None:
        return f"{known} ({code}"
    count = _COUNT.fullmatch(text)
    return (None if count is None else _counted(count[1], count[2])) or _filled(text)


def _counted(number: str, noun: str) -> str | None:
    """``12 messages``, or a reason with its count."""
    for one, many in _COUNTED:
        if noun in {one.removeprefix("{count} "), many.removeprefix("{count} ")}:
            return ngettext(one, many, int(number.replace(",", "")))
    return f"{number} {_(noun)}" if noun in _TEMPLATES else None


def _filled(text: str) -> str | None:
    for template, pattern in _patterns():
        match = pattern.fullmatch(text)
        if match is not None:
            # A literal brace in a template belongs to n8n's expressions.
            made = _(template)
            for name, value in match.groupdict().items():
                made = made.replace("{" + name + "}", translation.isolated(from_english(value)))
            return made
    return None


@functools.cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Each template with the pattern of what it makes."""
    return tuple(
        (template, re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+?)", re.escape(template)))) for template in _TEMPLATES
    )


@functools.cache
def _failure_texts(language: str) -> Mapping[str, str]:
    """English titles and advice of the packaged failure codes, with their translations."""
    file = resources.files("ticktrail.web.pages") / "locale" / language / "failure_codes.toml"
    if not file.is_file():
        return {}
    tables = tomllib.loads(file.read_text(encoding="utf-8"))
    return {
        english: tables[entry.label][key]
        for entry in packaged()
        if entry.label in tables
        for key, english in (("title", entry.title), ("advice", entry.advice))
    }
