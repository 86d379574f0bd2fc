"""What commands share: their options, and how settings, sources and the store are opened."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ticktrail.errors import ConfigurationError, NotFoundError
from ticktrail.settings.settings import Settings, load_settings

if TYPE_CHECKING:
    from ticktrail.messages.error_codes import Catalogue
    from ticktrail.messages.model import Message
    from ticktrail.sources import Source
    from ticktrail.stores import Store
    from ticktrail.stores.mongodb.conversations import Conversations
    from ticktrail.sync.results import AfterWrite, Progress, ReadCounts


class Format(StrEnum):
    """How data is printed."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"


class LogFormat(StrEnum):
    """How a service writes its log."""

    text = "text"
    json = "json"


class ReportFormat(StrEnum):
    """How a report is printed."""

    text = "text"
    json = "json"


MessageLevel = Literal["info", "warning", "error"]

StoreOption = Annotated[
    str | None,
    typer.Option("--store", metavar="URL", help="Where messages are kept: mongodb://…, or the path of a SQLite file."),
]
FormatOption = Annotated[
    Format | None,
    typer.Option("--format", help="How to print: a table on a terminal, JSON Lines when piped, unless you say."),
]
ReportOption = Annotated[ReportFormat, typer.Option("--format", help="How to print the report.")]
LogFormatOption = Annotated[LogFormat, typer.Option("--log-format", help="Format of the log on stderr")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Name everything that was left out.")]
SourceOption = Annotated[
    str,
    typer.Option(
        "--from", metavar="SOURCE", help="n8n, or exported executions: a file, a folder, or - for standard input."
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="From then on: 2h, 3d, yesterday, 2026-11-22, Unix seconds."),
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Before then, written as for --since.")
]
ExecutionsOption = Annotated[
    int,
    typer.Option(
        "--executions", metavar="N", min=1, help="How many of the newest executions to scan, of each workflow."
    ),
]
WATCH_SECONDS = 20
"""What ``--watch`` means when it stands alone."""

SaveOption = Annotated[bool, typer.Option("--save", help="Keep what is printed in the store.")]


def _print_message(text: str, _: MessageLevel) -> None:
    print(text, file=sys.stderr)


_write_message: Callable[[str, MessageLevel], object] = _print_message


def send_messages_to(write: Callable[[str, MessageLevel], object]) -> None:
    """Have messages written elsewhere from now on: a service writes them into its log."""
    global _write_message  # noqa: PLW0603 - of the process, like stderr
    _write_message = write


def say(text: str, level: MessageLevel = "info") -> None:
    """Write a message for the user: to stderr, or into the log of a service."""
    _write_message(text, level)


def read_settings(store: str | None = None, *, quiet: bool = False) -> Settings:
    """The settings of this run; what looks like a mistake in ``.env`` is said, unless it was before."""
    settings = load_settings({"TICKTRAIL_STORE": store}, os.environ, Path.cwd())
    for warning in () if quiet else settings.warnings:
        say(warning, "warning")
    return settings


def open_configured_store(settings: Settings) -> Store:
    """The store of the settings; nothing is connected to or created yet."""
    from ticktrail.stores import opening as ledger

    return ledger.open_configured_store(settings)


def open_conversations(settings: Settings) -> Conversations | None:
    """The collection of conversations beside the ledger; None when none is set, or the ledger is in a file."""
    from ticktrail.stores import opening as ledger

    return ledger.open_conversations(settings)


@contextmanager
def annotating(settings: Settings, ledger: Store, *, wanted: bool, everything: bool = False) -> Iterator[AfterWrite]:
    """What a sync does after each batch: nothing, or annotate the conversations of the messages in it.

    With ``everything``, all that is stored already is annotated first.

    Raises:
        ConfigurationError: it is wanted, and there are no conversations to annotate.
    """
    from ticktrail.sync.results import no_action

    if not wanted:
        yield no_action
        return
    conversations = open_conversations(settings)
    if conversations is None:
        raise ConfigurationError(
            "--annotate-conversations needs the ledger in MongoDB and MONGODB_CONVERSATIONS_COLLECTION set.",
            remedy="It is the collection, in the ledger's database, in which your workflow keeps the conversations.",
        )
    from ticktrail.stores.mongodb.conversations import Annotator

    try:
        conversations.require()
        annotator = Annotator(ledger, conversations)
        if everything:
            annotator.everything()
        yield annotator
    finally:
        conversations.close()


@contextmanager
def existing_ledger(settings: Settings) -> Iterator[Store]:
    """The store of the settings, for a command that only reads: one that does not exist is not found."""
    with open_configured_store(settings) as store:
        if not store.exists():
            raise NotFoundError(f"There is no ledger at {store.location} yet.", remedy="Type: ticktrail sync")
        yield store


def open_all(stack: ExitStack, place: str, settings: Settings) -> list[Source]:
    """The sources that ``--from`` names, closed with the stack."""
    from ticktrail.sources.opening import open_sources

    return [stack.enter_context(source) for source in open_sources(place, settings)]


def failure_codes(settings: Settings) -> Catalogue:
    """What is known of failure codes: the packaged catalogue, and over it what ``ticktrail.toml`` says."""
    from ticktrail.settings.user_file import read_user_file

    return read_user_file(settings).failure_codes


def print_message(found: Message, form: Format | None, settings: Settings) -> None:
    """One message: for people with its timeline, for programs as its document."""
    from ticktrail.output.messages import write_message, write_messages

    if form_of(form) == "table":
        write_message(found, settings.timezone, sys.stdout, failure_codes(settings))
    else:
        write_messages([found], form_of(form), settings.timezone, sys.stdout)


@contextmanager
def watched() -> Iterator[Progress]:
    """A line on stderr that says how far reading is; silent when nobody watches."""
    if not sys.stderr.isatty():
        yield lambda _tally: None
        return
    from rich.console import Console

    with Console(stderr=True).status("reading executions …") as status:

        def show(read_counts: ReadCounts) -> None:
            status.update(f"{read_counts.executions:,} executions read, {read_counts.events:,} statuses found")

        yield show


def form_of(form: Format | None) -> str:
    """How to print data: as asked, else a table on a terminal and JSON Lines when piped."""
    if form is not None:
        return form.value
    return "table" if sys.stdout.isatty() else "jsonl"


def moment(text: str | None, settings: Settings) -> int | None:
    """A ``--since`` or ``--until`` as Unix seconds."""
    from ticktrail.text.times import parse_moment

    return None if text is None else parse_moment(text, datetime.now(UTC), settings.timezone)


def say_problems(read_counts: ReadCounts, *, verbose: bool) -> None:
    """Name what was left out, when asked to."""
    if verbose:
        for problem in read_counts.problems:
            say(problem)
        if read_counts.problem_count > len(read_counts.problems):
            say(f"… and {read_counts.problem_count - len(read_counts.problems):,} more")
