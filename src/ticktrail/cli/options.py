"""Options that commands share, and how they open settings, sources and the store."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ticktrail.cli.invocation import as_typed, remember_store
from ticktrail.errors import ConfigurationError, NotFoundError
from ticktrail.settings.loading import load_settings
from ticktrail.settings.settings import Settings

if TYPE_CHECKING:
    from ticktrail.messages.error_codes import Catalogue
    from ticktrail.messages.model import Message
    from ticktrail.sources import Source
    from ticktrail.stores import Store
    from ticktrail.stores.mongodb.conversations import Conversations
    from ticktrail.sync.results import AfterWrite, Progress, ReadCounts


class Format(StrEnum):
    """Output format of data."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"


class LogFormat(StrEnum):
    """Format of a service's log."""

    text = "text"
    json = "json"


class ReportFormat(StrEnum):
    """Output format of a report."""

    text = "text"
    json = "json"


MessageLevel = Literal["info", "warning", "error"]

StoreOption = Annotated[
    str | None,
    typer.Option("--store", metavar="URL", help="Store: mongodb://… or the path of a SQLite file"),
]
FormatOption = Annotated[
    Format | None,
    typer.Option("--format", help="Output format (default: table on a terminal, jsonl when piped)"),
]
ReportOption = Annotated[ReportFormat, typer.Option("--format", help="Output format")]
LogFormatOption = Annotated[LogFormat, typer.Option("--log-format", help="Format of the log on stderr")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Name everything that was left out")]
SourceOption = Annotated[
    str,
    typer.Option(
        "--from", metavar="SOURCE", help="n8n, or exported executions: a file, a folder, or - for standard input"
    ),
]
ExecutionsOption = Annotated[
    int,
    typer.Option(
        "--executions", metavar="N", min=1, max=1_000_000, help="Number of newest executions to scan per workflow"
    ),
]
SaveOption = Annotated[bool, typer.Option("--save", help="Store what is printed")]
AnnotateOption = Annotated[
    bool,
    typer.Option("--annotate-conversations", help="Write statuses into the documents of your conversations too"),
]

WATCH_SECONDS = 20
"""Interval of ``--watch`` without a number."""

TABLE_LIMIT = 50
"""Results that a table shows unless ``--limit`` says otherwise."""


def _print_message(text: str, _: MessageLevel) -> None:
    with suppress(OSError):
        print(text, file=sys.stderr)


_write_message: Callable[[str, MessageLevel], object] = _print_message


def send_messages_to(write: Callable[[str, MessageLevel], object]) -> None:
    """Write messages elsewhere from now on: a service writes them into its log."""
    global _write_message  # noqa: PLW0603 - of the process, like stderr
    _write_message = write


def say(text: str, level: MessageLevel = "info") -> None:
    """Write a message for the user to stderr, or into the log of a service, with commands as the user can type them."""
    _write_message(as_typed(text), level)


def read_settings(store: str | None = None, *, option: str = "--store", quiet: bool = False) -> Settings:
    """Return the settings of this run; print warnings about ``.env`` unless ``quiet``.

    Args:
        store: what the user typed as ``option``.

    Raises:
        ConfigurationError: a setting is malformed, or ``store`` is empty, as a shell makes of an unset variable.
    """
    if store is not None and not store.strip():
        raise ConfigurationError(f"{option} is empty.", remedy="Give mongodb://… or the path of a SQLite file.")
    if store is not None and not quiet:
        remember_store(store)
    try:
        settings = load_settings({"TICKTRAIL_STORE": store}, os.environ, Path.cwd())
    except ConfigurationError as error:
        raise ConfigurationError(str(error).replace("--store", option, 1), remedy=error.remedy) from None
    for warning in () if quiet else settings.warnings:
        say(warning, "warning")
    return settings


def open_configured_store(settings: Settings) -> Store:
    """Return the store of the settings; nothing is connected to or created yet."""
    from ticktrail.stores import opening

    return opening.open_configured_store(settings)


def open_conversations(settings: Settings) -> Conversations | None:
    """Return the collection of conversations beside the store; None when none is set, or the store is a file."""
    from ticktrail.stores import opening

    return opening.open_conversations(settings)


@contextmanager
def annotating(settings: Settings, store: Store, *, wanted: bool, everything: bool = False) -> Iterator[AfterWrite]:
    """Yield what a sync runs after each batch: nothing, or annotating the conversations of its messages.

    Args:
        everything: annotate the messages that are stored already first.

    Raises:
        ConfigurationError: annotating is wanted, and there are no conversations to annotate.
    """
    from ticktrail.sync.results import no_action

    if not wanted:
        yield no_action
        return
    conversations = open_conversations(settings)
    if conversations is None:
        raise ConfigurationError(
            "--annotate-conversations needs a store in MongoDB, and MONGODB_CONVERSATIONS_COLLECTION.",
            remedy="Set it to the collection, in the same database, in which your workflow keeps conversations.",
        )
    from ticktrail.stores.mongodb.conversations import Annotator

    try:
        conversations.require()
        annotator = Annotator(store, conversations)
        if everything:
            annotator.everything()
        yield annotator
    finally:
        conversations.close()


@contextmanager
def existing_store(settings: Settings) -> Iterator[Store]:
    """Open the store of the settings for a command that only reads.

    Raises:
        NotFoundError: there is no store yet.
    """
    with open_configured_store(settings) as store:
        if not store.exists():
            raise NotFoundError(
                f"There is no store at {store.location} yet.",
                remedy="Type: ticktrail sync (first time: ticktrail init)",
            )
        yield store


def open_all(stack: ExitStack, place: str, settings: Settings) -> list[Source]:
    """Open the sources that ``--from`` names; the stack closes them."""
    from ticktrail.sources.opening import open_sources

    if not place.strip():
        raise ConfigurationError("--from is empty.", remedy="Give a file, a folder, - for standard input, or n8n.")
    return [stack.enter_context(source) for source in open_sources(place, settings)]


def failure_codes(settings: Settings) -> Catalogue:
    """Return the catalogue of failure codes, with the changes that ``ticktrail.toml`` makes to it."""
    from ticktrail.settings.user_file import read_user_file

    return read_user_file(settings).failure_codes


def print_message(
    found: Message, form: Format | None, settings: Settings, workflows: Mapping[str, str] | None = None
) -> None:
    """Print one message: with its timeline in a table, else as its document.

    Args:
        workflows: names of workflows by id.
    """
    from ticktrail.output.messages import write_message, write_messages
    from ticktrail.settings.user_file import read_user_file

    if form_of(form) == "table":
        file = read_user_file(settings)
        write_message(
            found,
            settings.timezone,
            sys.stdout,
            file.failure_codes,
            campaign_key=file.campaign_key,
            workflows=workflows,
        )
    else:
        write_messages([found], form_of(form), settings.timezone, sys.stdout)


@contextmanager
def showing_progress() -> Iterator[Progress]:
    """Show on stderr how many executions were read, where stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _counts: None
        return
    from rich.console import Console

    with Console(stderr=True).status("reading executions …") as status:

        def show(counts: ReadCounts) -> None:
            status.update(f"{counts.executions:,} executions read, {counts.events:,} statuses found")

        yield show


def form_of(form: Format | None) -> str:
    """Return the output format: as typed, else a table on a terminal and JSON Lines when piped."""
    if form is not None:
        return form.value
    return "table" if sys.stdout.isatty() else "jsonl"


def say_problems(read_counts: ReadCounts, *, verbose: bool) -> None:
    """Name what was left out, when asked to."""
    if verbose:
        for problem in read_counts.problems:
            say(problem)
        if read_counts.problem_count > len(read_counts.problems):
            say(f"… and {read_counts.problem_count - len(read_counts.problems):,} more")
