"""The options that choose messages, the same for every command that lists them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from ticktrail.cli.options import SinceOption, UntilOption
from ticktrail.messages.filters import MessageFilter
from ticktrail.settings.settings import Settings

Choose = Callable[[Settings, str | None], MessageFilter]
"""Makes a filter of what was typed and, maybe, of a recipient, once the settings are read."""

WhoArgument = Annotated[
    str | None,
    typer.Argument(metavar="WA_ID", help="Only this recipient's: the number in any spelling, or its last digits."),
]

Sort = Annotated[
    str,
    typer.Option("--sort", metavar="newest|oldest|updated", help="Which come first; updated: by their last news."),
]


def _option(name: str, metavar: str, text: str) -> Any:
    return typer.Option(name, metavar=metavar, help=text)


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options in place of its argument ``choose``."""
    own = inspect.signature(command, eval_str=True).parameters
    shared = [
        parameter
        for parameter in inspect.signature(_typed, eval_str=True).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    others = [parameter for name, parameter in own.items() if name != "choose"]
    arguments = [one for one in others if one.kind is not inspect.Parameter.KEYWORD_ONLY]
    options = [one for one in others if one.kind is inspect.Parameter.KEYWORD_ONLY]

    @functools.wraps(command)
    def with_options(*given: Any, **named: Any) -> None:
        typed = {parameter.name: named.pop(parameter.name) for parameter in shared}
        command(*given, choose=lambda settings, who: _typed(settings, who, **typed), **named)

    signature = inspect.Signature([*arguments, *shared, *options])
    with_options.__signature__ = signature  # type: ignore[attr-defined]
    with_options.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    return with_options


def _typed(
    settings: Settings,
    who: str | None,
    *,
    status: Annotated[
        list[str] | None, _option("--status", "STATUS", "Only those that stand here; may be repeated.")
    ] = None,
    unread: Annotated[bool, typer.Option("--unread", help="Sent or delivered, and not read so far.")] = False,
    undelivered: Annotated[bool, typer.Option("--undelivered", help="Not delivered: sent only, or failed.")] = False,
    not_read: Annotated[bool, typer.Option("--not-read", help="Not read, failed ones included.")] = False,
    retryable: Annotated[
        bool, typer.Option("--retryable", help="Failed for a reason that passes: sending again can help.")
    ] = False,
    error: Annotated[list[int] | None, _option("--error", "CODE", "Failed with this code; may be repeated.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    updated_within: Annotated[
        str | None, _option("--updated-within", "DURATION", "With news in the last 1h, 2d, …")
    ] = None,
    workflow: Annotated[str | None, _option("--workflow", "ID", "Reported by this workflow.")] = None,
    sent_by: Annotated[str | None, _option("--sent-by", "ID", "Sent by this workflow.")] = None,
    number: Annotated[str | None, _option("--number", "NUMBER", "Sent from this number of yours, or its id.")] = None,
    template: Annotated[str | None, _option("--template", "NAME[/LANG]", "Made from this template.")] = None,
    campaign: Annotated[str | None, _option("--campaign", "LABEL", "With this campaign label.")] = None,
    country: Annotated[str | None, _option("--country", "ISO", "To numbers of this country: SA, EG, …")] = None,
    instance: Annotated[str | None, _option("--instance", "NAME", "Read from the n8n of this name.")] = None,
    sort: Sort = "newest",
    limit: Annotated[
        int | None,
        typer.Option("--limit", "--max-messages", metavar="N", min=1, help="At most so many; a table has 50."),
    ] = None,
    after: Annotated[
        str | None, _option("--after", "TOKEN", "Go on where a page ended, with the same options.")
    ] = None,
) -> MessageFilter:
    """The filter that these options mean."""
    from ticktrail.queries.filter_parsing import MessageQuery, parse_filter

    _refuse_unknown_order(sort)
    asked = MessageQuery(
        who=who,
        status=tuple(status or ()),
        unread=unread,
        undelivered=undelivered,
        not_read=not_read,
        retryable=retryable,
        error=tuple(error or ()),
        since=since,
        until=until,
        updated_within=updated_within,
        workflow=workflow,
        sent_by=sent_by,
        number=number,
        template=template,
        campaign=campaign,
        country=country,
        instance=instance,
        sort=sort,
        limit=limit,
        after=after,
    )
    return parse_filter(asked, settings, datetime.now(UTC))


def _refuse_unknown_order(text: str) -> None:
    if text not in {"newest", "oldest", "updated"}:
        raise typer.BadParameter("newest, oldest or updated.", param_hint="--sort")
