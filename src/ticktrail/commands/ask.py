"""Commands that ask the store."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from ticktrail.commands.options import (
    FormatOption,
    SinceOption,
    StoreOption,
    UntilOption,
    existing_ledger,
    failure_codes,
    form_of,
    moment,
    print_message,
    read_settings,
    say,
)
from ticktrail.errors import NotFoundError

app = typer.Typer()


@app.command()
def messages(
    wa_id: Annotated[str | None, typer.Argument(metavar="WA_ID", help="Only this recipient's.")] = None,
    *,
    status: Annotated[
        list[str] | None,
        typer.Option("--status", metavar="STATUS", help="Only those that stand here; may be repeated."),
    ] = None,
    unread: Annotated[bool, typer.Option("--unread", help="Sent or delivered, and not read so far.")] = False,
    undelivered: Annotated[bool, typer.Option("--undelivered", help="Not delivered: sent only, or failed.")] = False,
    not_read: Annotated[bool, typer.Option("--not-read", help="Not read, failed ones included.")] = False,
    since: SinceOption = None,
    until: UntilOption = None,
    updated_within: Annotated[
        str | None, typer.Option("--updated-within", metavar="DURATION", help="With news in the last 1h, 2d, …")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", "--max-messages", metavar="N", min=1, help="At most so many; 50 in a table, all otherwise."
        ),
    ] = None,
    store: StoreOption = None,
    form: FormatOption = None,
) -> None:
    """Stored messages, newest first."""
    from ticktrail.moments import parse_duration
    from ticktrail.query import MessageFilter, recipient
    from ticktrail.render import write_messages
    from ticktrail.reports import plural

    settings = read_settings(store)
    shown_as = form_of(form)
    updated_since = None
    if updated_within is not None:
        updated_since = datetime.fromtimestamp(datetime.now(UTC).timestamp() - parse_duration(updated_within), UTC)
    chosen = MessageFilter(
        conversation_id=recipient(wa_id) if wa_id else None,
        since_timestamp=moment(since, settings),
        until_timestamp=moment(until, settings),
        updated_since=updated_since,
        limit=limit or (50 if shown_as == "table" else None),
    )
    chosen = chosen.narrowed(statuses=tuple(status or ()), unread=unread, undelivered=undelivered, not_read=not_read)
    with existing_ledger(settings) as ledger:
        known = failure_codes(settings) if shown_as == "table" else None
        shown = write_messages(ledger.messages(chosen), shown_as, settings.timezone, sys.stdout, known)
        if shown_as == "table":
            matching = ledger.count(chosen)
            say(f"{plural(shown, 'message')} of {matching:,} that match, in {ledger.location}")


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
