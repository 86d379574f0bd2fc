"""Commands that read messages and sends from the store: ``messages``, ``export``, ``sends`` and ``message``."""

from __future__ import annotations

import itertools
import sys
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
from ticktrail.cli.options import (
    FormatOption,
    StoreOption,
    existing_ledger,
    failure_codes,
    form_of,
    print_message,
    read_settings,
    say,
)
from ticktrail.errors import NotFoundError

if TYPE_CHECKING:
    from ticktrail.messages.filters import SendFilter
    from ticktrail.settings.settings import Settings

app = typer.Typer()


class ExportFormat(StrEnum):
    """How a file is written."""

    csv = "csv"
    jsonl = "jsonl"
    jsonl_gz = "jsonl.gz"
    xlsx = "xlsx"


@app.command()
@choosing_messages_of
def messages(
    *,
    choose: ChooseMessages,
    store: StoreOption = None,
    form: FormatOption = None,
) -> None:
    """Stored messages, newest first."""
    from ticktrail.output.messages import write_messages
    from ticktrail.text.formatting import plural

    settings = read_settings(store)
    shown_as = form_of(form)
    chosen = choose(settings)
    limit = chosen.limit or (50 if shown_as == "table" else None)
    with existing_ledger(settings) as ledger:
        # One more than are shown tells whether there is more.
        answer = ledger.messages(msgspec.structs.replace(chosen, limit=None if limit is None else limit + 1))
        known = failure_codes(settings) if shown_as == "table" else None
        shown = write_messages(itertools.islice(answer, limit), shown_as, settings.timezone, sys.stdout, known)
        sys.stdout.flush()
        place = answer.cursor
        if shown_as == "table":
            matching = ledger.count(chosen)
            say(f"{plural(shown, 'message')} of {matching:,} that match, in {ledger.location}")
        if place is not None and next(answer, None) is not None:
            say(f"more: --after {place.token}")


@app.command()
@choosing_messages
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Ends in .csv, .jsonl, .jsonl.gz or .xlsx.")],
    *,
    choose: ChooseMessages,
    mask: Annotated[
        bool, typer.Option("--mask", help="Make phone numbers unrecognisable, in message ids too.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    form: Annotated[ExportFormat | None, typer.Option("--format", help="What the file's ending does not say.")] = None,
    store: StoreOption = None,
) -> None:
    """Write messages to a file: CSV or XLSX for a spreadsheet, JSON Lines for programs."""
    from ticktrail.messages.document import to_document
    from ticktrail.output import files as exports
    from ticktrail.text.formatting import plural
    from ticktrail.text.masking import mask_document

    settings = read_settings(store)
    written_as = exports.format_of(file, form and form.value)
    chosen = choose(settings)
    with existing_ledger(settings) as ledger:
        documents = (to_document(message, settings.timezone) for message in ledger.messages(chosen))
        if mask:
            documents = (mask_document(document) for document in documents)
        count = exports.write_file(documents, file, written_as, force=force)
        say(f"{plural(count, 'message')} in {file}{', phone numbers masked' if mask else ''}")


@app.command()
@choosing_sends
def sends(*, choose: ChooseSends, store: StoreOption = None, form: FormatOption = None) -> None:
    """Sends: refused, or accepted without a status."""
    settings = read_settings(store)
    chosen = choose(settings)
    _show_sends(settings, chosen, form_of(form))


def _show_sends(settings: Settings, chosen: SendFilter, shown_as: str) -> None:
    """Print a page of sends and the cursor of the next page."""
    from ticktrail.messages.filters import SendCursor
    from ticktrail.messages.model import Send
    from ticktrail.output.sends import write_sends
    from ticktrail.settings.user_file import read_user_file
    from ticktrail.text.formatting import plural

    limit = chosen.limit or (50 if shown_as == "table" else None)
    with existing_ledger(settings) as ledger:
        # One more than is shown, to know whether there is a next page.
        answer = ledger.sends(msgspec.structs.replace(chosen, limit=None if limit is None else limit + 1))
        last = list[Send]()

        def noted(send: Send) -> Send:
            last[:] = [send]
            return send

        page = map(noted, itertools.islice(answer, limit))
        codes = read_user_file(settings).failure_codes
        shown = write_sends(page, shown_as, settings.timezone, sys.stdout, catalogue=codes)
        sys.stdout.flush()
        if shown_as == "table":
            say(f"{plural(shown, 'send')} in {ledger.location}")
        if last and next(answer, None) is not None:
            say(f"more: --after {SendCursor.of(last[0]).token}")


@app.command()
def message(
    message_id: Annotated[str, typer.Argument(metavar="MESSAGE_ID", help="wamid.…")],
    store: StoreOption = None,
    form: FormatOption = None,
) -> None:
    """One message: where it stands, its timeline, and why it failed."""
    settings = read_settings(store)
    with existing_ledger(settings) as ledger:
        found = ledger.get([message_id]).get(message_id)
        if found is None:
            raise NotFoundError(
                f"{ledger.location} holds no message {message_id}.",
                remedy="Type: ticktrail sync, then ask again. Or look into n8n: ticktrail track WA_ID MESSAGE_ID",
            )
        print_message(found, form, settings)
