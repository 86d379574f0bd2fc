"""Questions on a terminal. Without one, an answer that is not given is an error that names its option."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import typer

from ticktrail.cli.invocation import as_typed
from ticktrail.errors import ConfigurationError, TicktrailError

T = TypeVar("T")


def is_interactive() -> bool:
    """Return True when a person can answer."""
    return sys.stdin.isatty()


def echo(text: str) -> None:
    """Print a line for the person."""
    typer.echo(text, err=True)


def explain(error: TicktrailError) -> None:
    """Print what went wrong and what to do before the question is asked again."""
    remedy = (error.remedy or "").replace(", then: ticktrail init", ".")
    echo(as_typed(f"{error} {remedy}".rstrip()))


def confirm(question: str, *, default: bool) -> bool:
    """Ask a yes-or-no question."""
    return typer.confirm(question, default=default, err=True)


def prompt(question: str, default: str | None, *, missing: str, hidden: bool = False) -> str:
    """Ask for a text.

    Args:
        default: the answer to Enter, and without a terminal.
        missing: the option or setting to name where nothing can be asked.

    Raises:
        ConfigurationError: there is no terminal and no default.
    """
    if not is_interactive():
        if default:
            return default
        raise ConfigurationError(
            f"{missing} is not given, and there is no terminal to ask on.",
            remedy="Example: N8N_API_KEY=… ticktrail init --url https://n8n.example.com --workflow bcHn4wXXcVuTsjYB",
        )
    answer: str = typer.prompt(question, default=default, hide_input=hidden, show_default=bool(default), err=True)
    return answer.strip()


def until_accepted(ask: Callable[[str | None], T], given: str | None) -> T:
    """Return the first answer that passes its test; on a terminal, explain a fault and ask again.

    Args:
        ask: returns the tested answer; takes an answer that was given without asking, or None to ask.
    """
    while True:
        try:
            return ask(given)
        except TicktrailError as error:
            if not is_interactive():
                raise
            explain(error)
            given = None
