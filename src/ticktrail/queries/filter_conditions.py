"""The table of filter conditions: every name of each condition, its help text, and how it is parsed and written.

The command line's options, the API's query parameters, the pages' addresses and the reference are all derived from
:data:`MESSAGE_CONDITIONS` and :data:`SEND_CONDITIONS`. To add a condition, add a row.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar, get_args

import msgspec

from ticktrail.errors import ConfigurationError
from ticktrail.messages.error_codes import retryable_codes
from ticktrail.messages.filters import (
    DELIVERED,
    READ,
    UNREAD,
    Cursor,
    MessageFilter,
    Order,
    SendCursor,
    SendFilter,
)
from ticktrail.queries.filter_values import (
    number_spellings,
    parse_code,
    parse_limit,
    parse_status,
    parse_template,
    write_moment,
)
from ticktrail.settings.settings import Settings
from ticktrail.settings.user_file import catalogue, question_settings
from ticktrail.text import phone_numbers as phone
from ticktrail.text.times import parse_duration, parse_moment

Filter = TypeVar("Filter", MessageFilter, SendFilter)

Value = str | tuple[str, ...] | bool
"""A condition as typed: a text, several texts, or a flag."""


class Kind(enum.Enum):
    """The type of a condition's value."""

    FLAG = enum.auto()
    TEXT = enum.auto()
    TEXTS = enum.auto()
    CODES = enum.auto()
    CHOICE = enum.auto()
    COUNT = enum.auto()
    CURSOR = enum.auto()


class Seal(enum.Enum):
    """How an address hides a value: only where it may hold a phone number, always, or as a token of our own links.

    A token cannot be typed: an address with a hand-written value is refused.
    """

    IF_PERSONAL = enum.auto()
    ALWAYS = enum.auto()
    TOKEN = enum.auto()


class ParseContext(msgspec.Struct, frozen=True):
    """What parsing a condition may depend on, besides its text.

    Attributes:
        now: an aware instant, from which ``2h`` counts back.
    """

    settings: Settings
    now: datetime


class Condition(msgspec.Struct, Generic[Filter], frozen=True, kw_only=True):
    """A filter condition under all its names.

    Attributes:
        name: its key among parsed values, and the name of the API parameter.
        help: text of the command's help, the API's schema and the reference; without a full stop.
        fields: the fields of the filter that it sets.
        apply: narrow a filter by the condition's value. Numbers arrive as text.
        write: the value that an address needs for a filter; empty when this condition is not needed to express it.
            None when no filter is expressed by this condition.
        options: spellings on the command line; empty when only the other faces have it.
        metavar: placeholder of the value in the command's help.
        argument: placeholder where a command takes it as an argument instead; empty for never.
        default_note: sentence about the command line's default, added to its help.
        in_api: whether the API has it.
        address: name in a page's address; empty when no address has it.
    """

    name: str
    help: str
    kind: Kind
    fields: tuple[str, ...]
    apply: Callable[[Filter, Any, ParseContext], Filter]
    write: Callable[[Filter], Value] | None = None
    options: tuple[str, ...] = ()
    metavar: str = ""
    argument: str = ""
    default_note: str = ""
    in_api: bool = True
    address: str = ""
    seal: Seal = Seal.IF_PERSONAL
    choices: tuple[str, ...] = ()


def _replace(chosen: Filter, **changes: Any) -> Filter:
    return msgspec.structs.replace(chosen, **changes)


def _moment(field: str) -> Callable[[Filter, str, ParseContext], Filter]:
    def apply(chosen: Filter, text: str, context: ParseContext) -> Filter:
        return _replace(chosen, **{field: parse_moment(text, context.now, context.settings.timezone)})

    return apply


def _set(field: str) -> Callable[[Filter, Any, ParseContext], Filter]:
    return lambda chosen, value, _: _replace(chosen, **{field: value})


def _get(field: str) -> Callable[[Any], Value]:
    return lambda chosen: getattr(chosen, field) or ""


def _text(
    name: str, field: str, metavar: str, text: str, *, in_api: bool = True, address: str | None = None
) -> Condition[Any]:
    """A condition that sets one field to the text itself."""
    return Condition(
        name=name,
        help=text,
        kind=Kind.TEXT,
        fields=(field,),
        apply=_set(field),
        write=_get(field),
        options=(f"--{name.replace('_', '-')}",),
        metavar=metavar,
        in_api=in_api,
        address=name.replace("_", "-") if address is None else address,
    )


def _codes(text: str) -> Condition[Any]:
    return Condition(
        name="error",
        help=text,
        kind=Kind.CODES,
        fields=("failure_codes",),
        apply=lambda chosen, codes, _: _replace(chosen, failure_codes=tuple(map(parse_code, codes))),
        write=lambda chosen: tuple(map(str, chosen.failure_codes)),
        options=("--error",),
        metavar="CODE",
        address="error",
    )


def _period() -> tuple[Condition[Any], Condition[Any]]:
    return (
        Condition(
            name="since",
            help="Sent at or after TIME: 2h, 3d, yesterday, 2026-11-22, 2026-11-22T14:30, or Unix seconds",
            kind=Kind.TEXT,
            fields=("since_timestamp",),
            apply=_moment("since_timestamp"),
            write=lambda chosen: write_moment(chosen.since_timestamp),
            options=("--since",),
            metavar="TIME",
            address="since",
        ),
        Condition(
            name="until",
            help="Sent before TIME",
            kind=Kind.TEXT,
            fields=("until_timestamp",),
            apply=_moment("until_timestamp"),
            write=lambda chosen: write_moment(chosen.until_timestamp),
            options=("--until",),
            metavar="TIME",
            address="until",
        ),
    )


def _template() -> tuple[Condition[Any], ...]:
    """The template as typed, and as two exact values for names that the typed form cannot express."""

    def apply(chosen: Filter, text: str, _: ParseContext) -> Filter:
        name, language = parse_template(text)
        if name is None:
            raise ConfigurationError("There is no template name.", remedy="Use NAME or NAME/LANGUAGE.")
        return _replace(chosen, template=name, template_language=language)

    def typed(chosen: Filter) -> str:
        text = "/".join(filter(None, (chosen.template, chosen.template_language))) if chosen.template else ""
        return text if parse_template(text) == (chosen.template, chosen.template_language) else ""

    return (
        Condition(
            name="template",
            help="Sent with this template: its name, or name/language",
            kind=Kind.TEXT,
            fields=("template", "template_language"),
            apply=apply,
            write=typed,
            options=("--template",),
            metavar="NAME[/LANG]",
            address="template",
        ),
        Condition(
            name="exact_template",
            help="Template name, compared exactly",
            kind=Kind.TEXT,
            fields=("template",),
            apply=_set("template"),
            write=lambda chosen: "" if typed(chosen) else chosen.template or "",
            in_api=False,
            address="exact-template",
        ),
        Condition(
            name="language",
            help="Template language, compared exactly",
            kind=Kind.TEXT,
            fields=("template_language",),
            apply=_set("template_language"),
            write=lambda chosen: "" if typed(chosen) else chosen.template_language or "",
            in_api=False,
            address="language",
        ),
    )


def _page(cursor: type[Cursor | SendCursor]) -> tuple[Condition[Any], Condition[Any]]:
    return (
        Condition(
            name="limit",
            help="Maximum number of results",
            kind=Kind.COUNT,
            fields=("limit",),
            apply=lambda chosen, text, _: _replace(chosen, limit=parse_limit(text)),
            options=("--limit", "--max-messages") if cursor is Cursor else ("--limit",),
            metavar="N",
            default_note="default 50 in tables, else all",
        ),
        Condition(
            name="after",
            help="Cursor printed by the previous page; repeat the other options",
            kind=Kind.CURSOR,
            fields=("after",),
            apply=lambda chosen, token, _: _replace(chosen, after=cursor.read(token)),
            write=lambda chosen: chosen.after.token if chosen.after else "",
            options=("--after",),
            metavar="CURSOR",
            address="after",
            seal=Seal.TOKEN,
        ),
    )


def _person(chosen: MessageFilter, text: str, context: ParseContext) -> MessageFilter:
    if not text.strip():
        raise ConfigurationError("There is no phone number.", remedy="Give a number, such as +966 50 000 0001.")
    return _replace(chosen, person=phone.person(text, question_settings(context.settings).region))


def _updated_within(chosen: MessageFilter, text: str, context: ParseContext) -> MessageFilter:
    # A duration that reaches before 1970 means everything.
    seconds = max(0.0, context.now.timestamp() - parse_duration(text))
    return _replace(chosen, updated_since=datetime.fromtimestamp(seconds, UTC))


def _campaign(chosen: MessageFilter, text: str, context: ParseContext) -> MessageFilter:
    return _replace(chosen, campaign=text, campaign_key=question_settings(context.settings).campaign_key)


def _retryable(chosen: MessageFilter, _: object, context: ParseContext) -> MessageFilter:
    codes = retryable_codes(catalogue(context.settings))
    return chosen.retryable(tuple(code for code in codes if isinstance(code, int)))


def _typed_number(chosen: MessageFilter) -> str:
    """The sending number where one typed number means the filter's numbers, else the empty text."""
    numbers = chosen.sending_numbers
    return numbers[0] if numbers and numbers[0] and number_spellings(numbers[0]) == numbers else ""


def _order(chosen: MessageFilter, text: str, _: ParseContext) -> MessageFilter:
    if text not in get_args(Order):
        raise ConfigurationError(f"{text[:20]!r} is not an order.", remedy=f"Use {', '.join(get_args(Order))}.")
    return _replace(chosen, order=text)


def _leaves_out(statuses: tuple[str, ...]) -> Callable[[MessageFilter], bool]:
    return lambda chosen: set(chosen.not_statuses) == set(statuses)


def _without(statuses: tuple[str, ...]) -> Callable[[MessageFilter, object, ParseContext], MessageFilter]:
    return lambda chosen, _value, _context: chosen.without_statuses(statuses)


def _flag(
    name: str,
    text: str,
    fields: tuple[str, ...],
    apply: Callable[[Any, Any, ParseContext], Any],
    write: Callable[[Any], bool] | None = None,
) -> Condition[Any]:
    option = name.replace("_", "-")
    return Condition(
        name=name,
        help=text,
        kind=Kind.FLAG,
        fields=fields,
        apply=apply,
        write=write,
        options=(f"--{option}",),
        address=option,
    )


MESSAGE_CONDITIONS: tuple[Condition[MessageFilter], ...] = (
    Condition(
        name="wa_id",
        help="Recipient: a phone number in any spelling, or its last digits",
        kind=Kind.TEXT,
        fields=("person",),
        apply=_person,
        options=("--to",),
        metavar="WA_ID",
        argument="WA_ID",
        address="to",
        seal=Seal.ALWAYS,
    ),
    Condition(
        name="who",
        help="Recipient, compared exactly",
        kind=Kind.TEXT,
        fields=("conversation_id",),
        apply=_set("conversation_id"),
        write=_get("conversation_id"),
        in_api=False,
        address="who",
        seal=Seal.TOKEN,
    ),
    Condition(
        name="status",
        help="Only messages with this status; repeat for several",
        kind=Kind.TEXTS,
        fields=("statuses",),
        apply=lambda chosen, statuses, _: chosen.with_statuses(map(parse_status, statuses)),
        write=lambda chosen: chosen.statuses,
        options=("--status",),
        metavar="STATUS",
        address="status",
    ),
    _flag(
        "unread",
        "Sent or delivered, and not read yet",
        ("statuses",),
        lambda chosen, _value, _context: chosen.with_statuses(UNREAD),
    ),
    _flag(
        "undelivered",
        "Not delivered: pending or failed",
        ("not_statuses",),
        _without(DELIVERED),
        _leaves_out(DELIVERED),
    ),
    _flag("not_read", "Not read, including failed messages", ("not_statuses",), _without(READ), _leaves_out(READ)),
    _codes("Failed with this error code; repeat for several"),
    _flag("retryable", "Failed for a temporary reason: sending again can help", ("statuses",), _retryable),
    *_period(),
    Condition(
        name="updated_within",
        help="Status changed within the last DURATION, such as 1h or 2d",
        kind=Kind.TEXT,
        fields=("updated_since",),
        apply=_updated_within,
        options=("--updated-within",),
        metavar="DURATION",
        address="updated-within",
    ),
    _text("workflow", "workflow_id", "ID", "Statuses received by this n8n workflow"),
    _text("sent_by", "sending_workflow_id", "ID", "Sent by this n8n workflow"),
    Condition(
        name="number",
        help="Sent from this number of yours, or its phone number id",
        kind=Kind.TEXT,
        fields=("sending_numbers",),
        apply=lambda chosen, text, _: _replace(chosen, sending_numbers=number_spellings(text)),
        write=_typed_number,
        options=("--number",),
        metavar="NUMBER",
        address="number",
    ),
    Condition(
        name="number_id",
        help="Sending number or id, compared exactly; repeat for several",
        kind=Kind.TEXTS,
        fields=("sending_numbers",),
        apply=_set("sending_numbers"),
        write=lambda chosen: () if _typed_number(chosen) else chosen.sending_numbers,
        in_api=False,
        address="number-id",
    ),
    *_template(),
    Condition(
        name="campaign",
        help="Sent with this campaign label",
        kind=Kind.TEXT,
        fields=("campaign", "campaign_key"),
        apply=_campaign,
        write=_get("campaign"),
        options=("--campaign",),
        metavar="LABEL",
        address="campaign",
    ),
    Condition(
        name="country",
        help="Sent to numbers of this country, such as SA or EG",
        kind=Kind.TEXT,
        fields=("country",),
        apply=lambda chosen, text, _: _replace(chosen, country=phone.country(text)),
        options=("--country",),
        metavar="ISO",
        address="country",
    ),
    _text("instance", "instance", "NAME", "Read from the n8n with this TICKTRAIL_INSTANCE"),
    Condition(
        name="people",
        help="Without groups and Meta's test messages",
        kind=Kind.FLAG,
        fields=("people_only",),
        apply=_set("people_only"),
        write=lambda chosen: chosen.people_only,
        in_api=False,
        address="people",
    ),
    Condition(
        name="sort",
        help="Order of the results; updated: latest status change first",
        kind=Kind.CHOICE,
        fields=("order",),
        apply=_order,
        write=lambda chosen: "" if chosen.order == "newest" else chosen.order,
        options=("--sort",),
        metavar="newest|oldest|updated",
        default_note="default newest",
        address="sort",
        choices=get_args(Order),
    ),
    *_page(Cursor),
)

SEND_CONDITIONS: tuple[Condition[SendFilter], ...] = (
    _flag(
        "refused",
        "Refused by Meta",
        ("refused",),
        lambda chosen, _value, _context: chosen.with_outcome(refused=True),
        lambda chosen: chosen.refused is True,
    ),
    Condition(
        name="accepted",
        help="Accepted by Meta",
        kind=Kind.FLAG,
        fields=("refused",),
        apply=lambda chosen, _value, _context: chosen.with_outcome(refused=False),
        write=lambda chosen: chosen.refused is False,
        in_api=False,
        address="accepted",
    ),
    _flag(
        "unconfirmed",
        "Accepted by Meta, but no status has arrived",
        ("unconfirmed",),
        lambda chosen, _value, _context: chosen.with_outcome(unconfirmed=True),
        lambda chosen: chosen.unconfirmed,
    ),
    _codes("Refused with this error code; repeat for several"),
    *_period(),
    _text("workflow", "workflow_id", "ID", "Sent by this n8n workflow"),
    *_template(),
    *_page(SendCursor),
)


def condition(conditions: tuple[Condition[Any], ...], name: str) -> Condition[Any]:
    """Return the condition with this name."""
    return next(one for one in conditions if one.name == name)
