"""Filters from conditions as typed: on the command line, in a request to the API, in a page's address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ticktrail.errors import ConfigurationError, SettingsError
from ticktrail.messages.filters import MessageFilter, SendFilter
from ticktrail.queries.condition import Condition, Filter, ParseContext
from ticktrail.queries.filter_conditions import MESSAGE_CONDITIONS, SEND_CONDITIONS
from ticktrail.settings.settings import Settings

Label = Callable[[Condition[Any]], str]
"""The name under which the user typed a condition, for error messages."""


def parameter_name(condition: Condition[Any]) -> str:
    """Return the API's name of a condition."""
    return condition.name


def option_name(condition: Condition[Any]) -> str:
    """Return the command line's name of a condition."""
    return condition.options[0] if condition.options else condition.address


def argument_name(condition: Condition[Any]) -> str:
    """Return the command line's name of a condition, where it is an argument if it can be one."""
    return condition.argument or option_name(condition)


def parse_message_filter(
    given: Mapping[str, Any], settings: Settings, now: datetime, label: Label = option_name
) -> MessageFilter:
    """Return the filter that conditions of messages mean.

    Args:
        given: values by :attr:`Condition.name`; a condition whose value is None, False or empty tuple is not set.
        now: an aware instant, from which ``2h`` counts back.
        label: names a condition as the user typed it.

    Raises:
        ConfigurationError: a value is malformed, or no message can match all conditions. The message begins with the
            condition's label.
    """
    return parse_conditions(MESSAGE_CONDITIONS, given, MessageFilter(), ParseContext(settings, now), label)


def parse_send_filter(
    given: Mapping[str, Any], settings: Settings, now: datetime, label: Label = option_name
) -> SendFilter:
    """Return the filter that conditions of sends mean; see :func:`parse_message_filter`."""
    return parse_conditions(SEND_CONDITIONS, given, SendFilter(), ParseContext(settings, now), label)


def parse_since(text: str | None, settings: Settings, now: datetime) -> int | None:
    """Return ``--since`` as Unix seconds, for commands without a filter of stored messages."""
    return parse_message_filter({"since": text}, settings, now).since_timestamp


def parse_conditions(
    conditions: tuple[Condition[Filter], ...],
    given: Mapping[str, Any],
    chosen: Filter,
    context: ParseContext,
    label: Label,
) -> Filter:
    """Narrow a filter by each given condition, in the table's order; see :func:`parse_message_filter`."""
    labels = {}
    for condition in conditions:
        value = given.get(condition.name)
        if value is None or value is False or value == ():
            continue
        labels[condition.name] = label(condition)
        try:
            chosen = condition.apply(chosen, _not_empty(value), context)
        except SettingsError:
            raise
        except ConfigurationError as error:
            raise ConfigurationError(f"{labels[condition.name]}: {error}", remedy=error.remedy) from None
    since, until = chosen.since_timestamp, chosen.until_timestamp
    if since is not None and until is not None and since >= until:
        raise ConfigurationError(
            f"{labels['since']} is not before {labels['until']}, so nothing can match.",
            remedy=f"Give {labels['since']} an earlier time than {labels['until']}.",
        )
    return chosen


def _not_empty(value: Any) -> Any:
    if value == "":
        raise ConfigurationError("The value is empty.", remedy="Give a value, or leave the condition out.")
    return value
