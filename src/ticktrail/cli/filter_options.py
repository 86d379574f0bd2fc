"""Command-line options derived from the table of filter conditions (:mod:`ticktrail.queries.filter_conditions`)."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from ticktrail.messages.filters import MessageFilter, SendFilter
from ticktrail.queries.condition import Condition, Filter, Kind, ParseContext
from ticktrail.queries.filter_conditions import MESSAGE_CONDITIONS, SEND_CONDITIONS, condition
from ticktrail.queries.filter_parsing import argument_name, option_name, parse_conditions
from ticktrail.settings.settings import Settings

F = TypeVar("F", MessageFilter, SendFilter)

ChooseMessages = Callable[[Settings], MessageFilter]
"""Parses the conditions that were typed, once the settings are read."""

ChooseSends = Callable[[Settings], SendFilter]
"""Parses the conditions that were typed, once the settings are read."""

_TYPES: dict[Kind, tuple[Any, Any]] = {
    Kind.FLAG: (bool, False),
    Kind.TEXTS: (list[str] | None, None),
    Kind.CODES: (list[str] | None, None),
}
"""Type and default of an option, where it is not an optional text."""


def option(wanted: Condition[Any], *, argument: bool = False) -> Any:
    """Return typer's description of a condition's option, or of its argument."""
    text = f"{wanted.help} ({wanted.default_note})" if wanted.default_note else wanted.help
    if argument:
        return typer.Argument(metavar=wanted.argument, help=text)
    return typer.Option(*wanted.options, metavar=wanted.metavar or None, help=text)


def limit_option(default_note: str) -> Any:
    """Return typer's description of ``--limit`` for a command with a default of its own; its value is a text."""
    return option(msgspec.structs.replace(condition(MESSAGE_CONDITIONS, "limit"), default_note=default_note))


SinceOption = Annotated[str | None, option(condition(MESSAGE_CONDITIONS, "since"))]
UntilOption = Annotated[str | None, option(condition(MESSAGE_CONDITIONS, "until"))]


def choosing_messages(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command every condition on messages as an option, in place of its parameter ``choose``."""
    return with_conditions(MESSAGE_CONDITIONS, MessageFilter(), command)


def choosing_messages_of(command: Callable[..., None]) -> Callable[..., None]:
    """As :func:`choosing_messages`, with the recipient as the command's first argument."""
    return with_conditions(MESSAGE_CONDITIONS, MessageFilter(), command, arguments=True)


def choosing_sends(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command every condition on sends as an option, in place of its parameter ``choose``."""
    return with_conditions(SEND_CONDITIONS, SendFilter(), command)


def with_conditions(
    conditions: tuple[Condition[Filter], ...],
    everything: Filter,
    command: Callable[..., None],
    *,
    arguments: bool = False,
) -> Callable[..., None]:
    """Return the command with an option for each condition.

    Args:
        everything: the filter that the conditions narrow.
        command: has a keyword-only parameter ``choose``, a function from settings to the filter.
        arguments: conditions that can be an argument are one.
    """
    offered = {condition.name: condition for condition in conditions if condition.options}
    as_arguments = {name for name, one in offered.items() if arguments and one.argument}

    def label(one: Condition[Any]) -> str:
        return argument_name(one) if one.name in as_arguments else option_name(one)

    @functools.wraps(command)
    def with_options(*positional: Any, **named: Any) -> None:
        given = {name: named.pop(name) for name in offered}
        given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}

        def choose(settings: Settings) -> Filter:
            return parse_conditions(conditions, given, everything, ParseContext(settings, datetime.now(UTC)), label)

        command(*positional, choose=choose, **named)

    own = inspect.signature(command, eval_str=True).parameters.values()
    parameters = [_parameter(one, argument=name in as_arguments) for name, one in offered.items()]
    parameters += [one for one in own if one.name != "choose"]
    # Arguments before options, as signatures demand.
    parameters.sort(key=lambda one: one.kind)
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_options


def _parameter(wanted: Condition[Any], *, argument: bool) -> inspect.Parameter:
    kind, default = _TYPES.get(wanted.kind, (str | None, None))
    return inspect.Parameter(
        wanted.name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD if argument else inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, option(wanted, argument=argument)],
    )
