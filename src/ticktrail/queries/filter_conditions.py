"""The table of filter conditions: every name of each condition, its help text, and how it is parsed and written.

The command line's options, the API's query parameters, the pages' addresses and the reference are all derived from
:data:`MESSAGE_CONDITIONS` and :data:`SEND_CONDITIONS`. To add a condition, add a row.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, get_args

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
from ticktrail.queries.condition import (
    Condition,
    Filter,
    Kind,
    ParseContext,
    Seal,
    flag_condition,
    get_field,
    replace,
    set_field,
    text_condition,
)
from ticktrail.queries.filter_values import (
    number_spellings,
    parse_code,
    parse_limit,
    parse_status,
    parse_template,
    write_moment,
)
from ticktrail.settings.user_file import dialling_region, read_user_file
from ticktrail.text.phone_numbers import parse_country, parse_person
from ticktrail.text.times import parse_duration, parse_moment


def _moment(field: str) -> Callable[[Filter, str, ParseContext], Filter]:
    def apply(chosen: Filter, text: str, context: ParseContext) -> Filter:
        return replace(chosen, **{field: parse_moment(text, context.now, context.settings.timezone)})

    return apply


def _codes(text: str) -> Condition[Any]:
    return Condition(
        name="error",
        help=text,
        kind=Kind.CODES,
        fields=("failure_codes",),
        apply=lambda chosen, codes, _: replace(chosen, failure_codes=tuple(map(parse_code, codes))),
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
        return replace(chosen, template=name, template_language=language)

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
            apply=set_field("template"),
            write=lambda chosen: "" if typed(chosen) else chosen.template or "",
            in_api=False,
            address="exact-template",
        ),
        Condition(
            name="language",
            help="Template language, compared exactly",
            kind=Kind.TEXT,
            fields=("template_language",),
            apply=set_field("template_language"),
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
            apply=lambda chosen, text, _: replace(chosen, limit=parse_limit(text)),
            options=("--limit", "--max-messages") if cursor is Cursor else ("--limit",),
            metavar="N",
            default_note="default 50 in tables, else all",
        ),
        Condition(
            name="after",
            help="Cursor printed by the previous page; repeat the other options",
            kind=Kind.CURSOR,
            fields=("after",),
            apply=lambda chosen, token, _: replace(chosen, after=cursor.read(token)),
            write=lambda chosen: chosen.after.token if chosen.after else "",
            options=("--after",),
            metavar="CURSOR",
            address="after",
            seal=Seal.TOKEN,
        ),
    )


def _person(chosen: MessageFilter, text: str, context: ParseContext) -> MessageFilter:
    return replace(chosen, person=parse_person(text, dialling_region(context.settings)))


def _updated_within(chosen: MessageFilter, text: str, context: ParseContext) -> MessageFilter:
    # A duration that reaches before 1970 means everything.
    seconds = max(0.0, context.now.timestamp() - parse_duration(text))
    return replace(chosen, updated_since=datetime.fromtimestamp(seconds, UTC))


def _campaign(chosen: MessageFilter, text: str, context: ParseContext) -> MessageFilter:
    return replace(chosen, campaign=text, campaign_key=read_user_file(context.settings).campaign_key)


def _retryable(chosen: MessageFilter, _: object, context: ParseContext) -> MessageFilter:
    codes = retryable_codes(read_user_file(context.settings).failure_codes)
    return chosen.retryable(tuple(code for code in codes if isinstance(code, int)))


def _typed_number(chosen: MessageFilter) -> str:
    """The sending number where one typed number means the filter's numbers, else the empty text."""
    numbers = chosen.sending_numbers
    return numbers[0] if numbers and numbers[0] and number_spellings(numbers[0]) == numbers else ""


def _order(chosen: MessageFilter, text: str, _: ParseContext) -> MessageFilter:
    if text not in get_args(Order):
        raise ConfigurationError(f"{text[:20]!r} is not an order.", remedy=f"Use {', '.join(get_args(Order))}.")
    return replace(chosen, order=text)


def _leaves_out(statuses: tuple[str, ...]) -> Callable[[MessageFilter], bool]:
    return lambda chosen: set(chosen.not_statuses) == set(statuses)


def _without(statuses: tuple[str, ...]) -> Callable[[MessageFilter, object, ParseContext], MessageFilter]:
    return lambda chosen, _value, _context: chosen.without_statuses(statuses)


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
        apply=set_field("conversation_id"),
        write=get_field("conversation_id"),
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
    flag_condition(
        "unread",
        "Sent or delivered, and not read yet",
        ("statuses",),
        lambda chosen, _value, _context: chosen.with_statuses(UNREAD),
    ),
    flag_condition(
        "undelivered",
        "Not delivered: pending or failed",
        ("not_statuses",),
        _without(DELIVERED),
        _leaves_out(DELIVERED),
    ),
    flag_condition(
        "not_read", "Not read, including failed messages", ("not_statuses",), _without(READ), _leaves_out(READ)
    ),
    _codes("Failed with this error code; repeat for several"),
    flag_condition("retryable", "Failed for a temporary reason: sending again can help", ("statuses",), _retryable),
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
    text_condition("workflow", "workflow_id", "ID", "Statuses received by this n8n workflow"),
    text_condition("sent_by", "sending_workflow_id", "ID", "Sent by this n8n workflow"),
    Condition(
        name="number",
        help="Sent from this number of yours, or its phone number id",
        kind=Kind.TEXT,
        fields=("sending_numbers",),
        apply=lambda chosen, text, _: replace(chosen, sending_numbers=number_spellings(text)),
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
        apply=set_field("sending_numbers"),
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
        write=get_field("campaign"),
        options=("--campaign",),
        metavar="LABEL",
        address="campaign",
    ),
    Condition(
        name="country",
        help="Sent to numbers of this country, such as SA or EG",
        kind=Kind.TEXT,
        fields=("country",),
        apply=lambda chosen, text, _: replace(chosen, country=parse_country(text)),
        options=("--country",),
        metavar="ISO",
        address="country",
    ),
    text_condition("category", "category", "NAME", "Billed under this category, such as marketing or utility"),
    text_condition("instance", "instance", "NAME", "Read from the n8n with this TICKTRAIL_INSTANCE"),
    Condition(
        name="people",
        help="Without groups and Meta's test messages",
        kind=Kind.FLAG,
        fields=("people_only",),
        apply=set_field("people_only"),
        write=lambda chosen: chosen.people_only,
        in_api=False,
        address="people",
    ),
    Condition(
        name="sort",
        help="Order of the results: by the time sent, latest status, or change",
        kind=Kind.CHOICE,
        fields=("order",),
        apply=_order,
        write=lambda chosen: "" if chosen.order == "newest" else chosen.order,
        options=("--sort",),
        metavar="newest|oldest|latest|updated",
        default_note="default newest",
        address="sort",
        choices=get_args(Order),
    ),
    *_page(Cursor),
)

SEND_CONDITIONS: tuple[Condition[SendFilter], ...] = (
    flag_condition(
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
    flag_condition(
        "unconfirmed",
        "Accepted by Meta, but no status has arrived",
        ("unconfirmed",),
        lambda chosen, _value, _context: chosen.with_outcome(unconfirmed=True),
        lambda chosen: chosen.unconfirmed,
    ),
    _codes("Refused with this error code; repeat for several"),
    *_period(),
    text_condition("workflow", "workflow_id", "ID", "Sent by this n8n workflow"),
    *_template(),
    *_page(SendCursor),
)


def condition(conditions: tuple[Condition[Any], ...], name: str) -> Condition[Any]:
    """Return the condition with this name."""
    return next(one for one in conditions if one.name == name)
