"""Commands that ask the store."""

from __future__ import annotations

import itertools
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ticktrail.cli.filter_options import Choose, WhoArgument, choosing
from ticktrail.cli.options import (
    FormatOption,
    SinceOption,
    StoreOption,
    UntilOption,
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
@choosing
def messages(
    wa_id: WhoArgument = None,
    *,
    choose: Choose,
    store: StoreOption = None,
    form: FormatOption = None,
) -> None:
    """Stored messages, newest first."""
    from ticktrail.output.messages import write_messages
    from ticktrail.text.formatting import plural

    settings = read_settings(store)
    shown_as = form_of(form)
    chosen = choose(settings, wa_id)
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
@choosing
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Ends in .csv, .jsonl, .jsonl.gz or .xlsx.")],
    *,
    to: Annotated[
        str | None, typer.Option("--to", metavar="WA_ID", help="Only this recipient's: the number, or its last digits.")
    ] = None,
    choose: Choose,
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
    chosen = choose(settings, to)
    with existing_ledger(settings) as ledger:
        documents = (to_document(message, settings.timezone) for message in ledger.messages(chosen))
        if mask:
            documents = (mask_document(document) for document in documents)
        count = exports.write_file(documents, file, written_as, force=force)
        say(f"{plural(count, 'message')} in {file}{', phone numbers masked' if mask else ''}")


@app.command()
def sends(
    *,
    refused: Annotated[bool, typer.Option("--refused", help="Only those Meta refused, with its reason.")] = False,
    unconfirmed: Annotated[
        bool, typer.Option("--unconfirmed", help="Only those Meta accepted and no status ever confirmed.")
    ] = False,
    since: SinceOption = None,
    until: UntilOption = None,
    template: Annotated[
        str | None, typer.Option("--template", metavar="NAME[/LANG]", help="Made from this template.")
    ] = None,
    workflow: Annotated[str | None, typer.Option("--workflow", metavar="ID", help="Sent by this workflow.")] = None,
    error: Annotated[
        list[int] | None, typer.Option("--error", metavar="CODE", help="Refused with this code; may be repeated.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="At most so many; 50 in a table, all otherwise.")
    ] = None,
    after: Annotated[
        str | None, typer.Option("--after", metavar="TOKEN", help="Go on where a page ended, with the same options.")
    ] = None,
    store: StoreOption = None,
    form: FormatOption = None,
) -> None:
    """What was sent, newest first: refused by Meta, or accepted and never heard of again."""
    from ticktrail.queries.asked_sends import SendQuery, send_filter_of

    settings = read_settings(store)
    shown_as = form_of(form)
    limit = limit or (50 if shown_as == "table" else None)
    asked = SendQuery(
        refused=refused,
        unconfirmed=unconfirmed,
        error=tuple(error or ()),
        since=since,
        until=until,
        workflow=workflow,
        template=template,
        limit=None if limit is None else limit + 1,
        after=after,
    )
    _show_sends(settings, send_filter_of(asked, settings, datetime.now(UTC)), limit, shown_as)


def _show_sends(settings: Settings, chosen: SendFilter, limit: int | None, shown_as: str) -> None:
    """Print a page of sends, and say where the next one begins."""
    from ticktrail.messages.filters import SendCursor
    from ticktrail.messages.model import Send
    from ticktrail.output.sends import write_sends
    from ticktrail.settings.user_file import catalogue
    from ticktrail.text.formatting import plural

    with existing_ledger(settings) as ledger:
        answer, last = ledger.sends(chosen), list[Send]()

        def noted(send: Send) -> Send:
            last[:] = [send]
            return send

        page = map(noted, itertools.islice(answer, limit))
        shown = write_sends(page, shown_as, settings.timezone, sys.stdout, catalogue=catalogue(settings))
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
