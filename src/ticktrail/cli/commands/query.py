"""Commands that read messages and sends from the store: ``messages``, ``message``, ``sends`` and ``export``."""

from __future__ import annotations

import itertools
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ticktrail.cli.filter_options import (
    ChooseMessages,
    ChooseSends,
    choosing_messages,
    choosing_messages_of,
    choosing_sends,
)
from ticktrail.cli.invocation import quoted
from ticktrail.cli.options import (
    TABLE_LIMIT,
    FormatOption,
    StoreOption,
    existing_store,
    failure_codes,
    form_of,
    print_message,
    read_settings,
    say,
)
from ticktrail.errors import ConfigurationError, NotFoundError

if TYPE_CHECKING:
    from ticktrail.messages.model import Message
    from ticktrail.stores import Store

app = typer.Typer()

_SHORTEST_ENDING = 6


class ExportFormat(StrEnum):
    """Format of an exported file."""

    csv = "csv"
    jsonl = "jsonl"
    jsonl_gz = "jsonl.gz"
    xlsx = "xlsx"


@app.command()
@choosing_messages_of
def messages(*, choose: ChooseMessages, store: StoreOption = None, form: FormatOption = None) -> None:
    """List stored messages, newest first.

    Example: ticktrail messages --status failed --since yesterday
    """
    from ticktrail.output.messages import write_messages
    from ticktrail.settings.user_file import UserFile, read_user_file
    from ticktrail.text.formatting import plural

    settings = read_settings(store)
    printed_as = form_of(form)
    chosen = choose(settings)
    limit = chosen.limit or (TABLE_LIMIT if printed_as == "table" else None)
    with existing_store(settings) as opened:
        # One more than is shown, to know whether there is a next page.
        page = opened.messages(msgspec.structs.replace(chosen, limit=None if limit is None else limit + 1))
        file = read_user_file(settings) if printed_as == "table" else UserFile()
        shown = write_messages(
            itertools.islice(page, limit),
            printed_as,
            settings.timezone,
            sys.stdout,
            file.failure_codes,
            file.campaign_key,
        )
        sys.stdout.flush()
        cursor = page.cursor
        if printed_as == "table" and shown:
            say(f"{plural(shown, 'message')} of {opened.count(chosen):,} that match, in {opened.location}")
        elif printed_as == "table":
            say(f"No messages match, in {opened.location}")
        if cursor is not None and next(page, None) is not None:
            say(f"more: --after {cursor.token}")


@app.command()
def message(
    message_id: Annotated[
        str, typer.Argument(metavar="MESSAGE_ID", help="wamid.…, or an ending that only one message id has")
    ],
    store: StoreOption = None,
    form: FormatOption = None,
) -> None:
    """Show one message: timeline, reason, advice.

    Example: ticktrail message …1RDMxMzhGOUIxAA==
    """
    from ticktrail.queries.workflow_names import workflow_names

    settings = read_settings(store)
    with existing_store(settings) as opened:
        # A table shows an ending after "…", which is "~" where the terminal cannot show it.
        found = _find(opened, message_id.strip().lstrip("…~"))
        print_message(found, form, settings, workflow_names(opened))


@app.command()
@choosing_sends
def sends(*, choose: ChooseSends, store: StoreOption = None, form: FormatOption = None) -> None:
    """List sends: refused, or without a status.

    Example: ticktrail sends --refused --since 7d
    """
    from ticktrail.messages.filters import SendCursor
    from ticktrail.messages.model import Send
    from ticktrail.output.sends import write_sends
    from ticktrail.queries.workflow_names import workflow_names
    from ticktrail.text.formatting import plural

    settings = read_settings(store)
    printed_as = form_of(form)
    chosen = choose(settings)
    limit = chosen.limit or (TABLE_LIMIT if printed_as == "table" else None)
    with existing_store(settings) as opened:
        # One more than is shown, to know whether there is a next page.
        found = opened.sends(msgspec.structs.replace(chosen, limit=None if limit is None else limit + 1))
        last: list[Send] = []

        def remember(send: Send) -> Send:
            last[:] = [send]
            return send

        page = map(remember, itertools.islice(found, limit))
        shown = write_sends(
            page,
            printed_as,
            settings.timezone,
            sys.stdout,
            catalogue=failure_codes(settings),
            workflows=workflow_names(opened),
        )
        sys.stdout.flush()
        if printed_as == "table":
            say(f"{plural(shown, 'send') if shown else 'No sends match'}, in {opened.location}")
        if last and next(found, None) is not None:
            say(f"more: --after {SendCursor.of(last[0]).token}")


@app.command()
@choosing_messages
def export(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Target: .csv, .jsonl, .jsonl.gz or .xlsx; - for standard output")
    ],
    *,
    choose: ChooseMessages,
    mask: Annotated[bool, typer.Option("--mask", help="Mask phone numbers, also inside message ids")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists")] = False,
    form: Annotated[
        ExportFormat | None, typer.Option("--format", help="File format (default: from the file's ending; jsonl for -)")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Write messages to a CSV, XLSX or JSON file.

    Example: ticktrail export week.xlsx --since 7d --mask
    """
    from ticktrail.alerts.documents import command_of
    from ticktrail.messages.document import send_to_document, to_document
    from ticktrail.output import files
    from ticktrail.queries.statistics import overdue_sends
    from ticktrail.text.formatting import plural
    from ticktrail.text.masking import mask_document

    settings = read_settings(store)
    to_stdout = str(file) == "-"
    written_as = files.format_of(Path("-.jsonl") if to_stdout else file, form and form.value)
    if to_stdout and written_as == "xlsx":
        raise ConfigurationError(
            "An xlsx file cannot be written to standard output.", remedy="Use --format csv, or name a file."
        )
    chosen = choose(settings)
    with existing_store(settings) as opened:
        documents = (to_document(message, settings.timezone) for message in opened.messages(chosen))
        sends = overdue_sends(chosen, datetime.now(UTC))
        lost = [] if sends is None else [send_to_document(send, settings.timezone) for send in opened.sends(sends)]
        if mask:
            documents = (mask_document(document) for document in documents)
            lost = [mask_document(document) for document in lost]
        if to_stdout:
            count = files.write_stream(documents, sys.stdout.buffer, written_as)
        else:
            sheets = [(files.UNCONFIRMED, lost)] if lost else []
            count = files.write_file(documents, file, written_as, force=force, more_sheets=sheets)
        where = "standard output" if to_stdout else str(file)
        say(f"Wrote {plural(count, 'message')} to {where}{', phone numbers masked' if mask else ''}")
        if sends is not None and lost:
            in_file = "in a sheet of their own" if written_as == "xlsx" else "not in the file"
            missing = f"{plural(len(lost), 'accepted message')} without any status for over an hour: {in_file}."
            say(f"{missing} Type: {command_of(sends, settings.timezone)} --format csv")


def _find(store: Store, text: str) -> Message:
    """Return the message with this id, or with an id that ends in this text.

    Raises:
        NotFoundError: no stored message has such an id.
        ConfigurationError: several have, or the text is too short to tell.
    """
    from ticktrail.messages.filters import MessageFilter

    found = store.get([text]).get(text)
    if found is not None:
        return found
    if text.lstrip("+").replace(" ", "").isdigit():
        raise ConfigurationError(
            "MESSAGE_ID is a phone number, not a message id.", remedy=f"Type: ticktrail messages {quoted(text)}"
        )
    if len(text) < _SHORTEST_ENDING:
        raise ConfigurationError(
            f"MESSAGE_ID: {text!r} is too short.",
            remedy=f"Give the whole id, or its last {_SHORTEST_ENDING} characters or more.",
        )
    ending = [] if text.startswith("wamid.") else list(store.messages(MessageFilter(message_id_ending=text, limit=4)))
    if len(ending) == 1:
        return ending[0]
    if ending:
        raise ConfigurationError(
            f"MESSAGE_ID: several message ids end in {text!r}.",
            remedy="Give more characters: " + ", ".join(one.message_id for one in ending[:3]),
        )
    raise NotFoundError(
        f"{store.location} has no message {text}.",
        remedy="Type: ticktrail sync, then try again. To search n8n: ticktrail track WA_ID MESSAGE_ID",
    )
