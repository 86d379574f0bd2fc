"""Commands that look straight into n8n."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from ticktrail.cli.options import (
    ExecutionsOption,
    Format,
    FormatOption,
    SaveOption,
    SinceOption,
    SourceOption,
    StoreOption,
    VerboseOption,
    failure_codes,
    form_of,
    moment,
    open_all,
    open_configured_store,
    print_message,
    read_settings,
    say,
    say_problems,
    watched,
)
from ticktrail.errors import NotFoundError, TicktrailError
from ticktrail.settings.settings import Settings

if TYPE_CHECKING:
    from ticktrail.sync.scan import Scan

app = typer.Typer()


@app.command("list")
def list_newest(
    wa_id: Annotated[str | None, typer.Argument(metavar="WA_ID", help="Only this recipient's.")] = None,
    *,
    limit: Annotated[
        int, typer.Option("--limit", "--max-messages", metavar="N", min=1, help="How many messages to print.")
    ] = 10,
    executions: ExecutionsOption = 200,
    since: SinceOption = None,
    save: SaveOption = False,
    source: SourceOption = "n8n",
    store: StoreOption = None,
    form: FormatOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Look straight into n8n: the newest messages in the newest executions."""
    from ticktrail.output.messages import write_messages
    from ticktrail.output.sync import counts_line
    from ticktrail.settings.user_file import dialling_region
    from ticktrail.sync import scan
    from ticktrail.text.phone_numbers import parse_person

    settings = read_settings(store)
    person = None if wa_id is None else parse_person(wa_id, dialling_region(settings))
    with ExitStack() as stack:
        sources = open_all(stack, source, settings)
        with watched() as progress:
            found = scan.newest(
                sources,
                executions=executions,
                since_timestamp=moment(since, settings),
                progress=progress,
            )
        chosen = found.messages(person=person, limit=limit)
        shown_as = form_of(form)
        known = failure_codes(settings) if shown_as == "table" else None
        write_messages(chosen, shown_as, settings.timezone, sys.stdout, known)
        say(f"Scanned {counts_line(found.read_counts)}.")
        say_problems(found.read_counts, verbose=verbose)
        if save:
            _save(found, [one.message_id for one in chosen], settings)
        _say_ledger(settings)


@app.command()
def track(
    wa_id: Annotated[str, typer.Argument(metavar="WA_ID", help="The recipient.")],
    message_id: Annotated[str, typer.Argument(metavar="MESSAGE_ID", help="wamid.…")],
    *,
    executions: ExecutionsOption = 200,
    since: SinceOption = None,
    save: SaveOption = False,
    source: SourceOption = "n8n",
    store: StoreOption = None,
    form: FormatOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Look straight into n8n for one message and print its whole history."""
    from ticktrail.output.documents import write_documents
    from ticktrail.output.sync import counts_line
    from ticktrail.settings.user_file import dialling_region
    from ticktrail.sync import scan
    from ticktrail.text.phone_numbers import parse_person

    settings = read_settings(store)
    person = parse_person(wa_id, dialling_region(settings))
    with ExitStack() as stack:
        sources = open_all(stack, source, settings)
        with watched() as progress:
            found = scan.newest(
                sources, executions=executions, since_timestamp=moment(since, settings), progress=progress
            )
        answer, tracked = found.track(person, message_id)
        say(f"Scanned {counts_line(found.read_counts)}.")
        say_problems(found.read_counts, verbose=verbose)
        if tracked is not None:
            print_message(tracked, form, settings)
            if save:
                _save(found, [message_id], settings)
            _say_ledger(settings)
            return
        if form_of(form) != "table":
            document = {"messageId": message_id, "conversation_id": wa_id, "latestStatus": answer, "statusHistory": []}
            write_documents([document], form_of(form) if form is Format.json else "jsonl", sys.stdout)
        _say_ledger(settings)
        if answer == "wa_id_mismatch":
            raise NotFoundError(
                f"wa_id_mismatch: {message_id} is there, but it went to somebody else.",
                remedy=f"Type: ticktrail message {message_id}",
            )
        raise NotFoundError(
            f"not_found: {message_id} is not in the newest {found.read_counts.executions:,} executions.",
            remedy=f"Ask the ledger: ticktrail message {message_id}; or scan more: --executions 2000",
        )


def _save(found: Scan, message_ids: list[str], settings: Settings) -> None:
    from ticktrail.text.formatting import plural

    with open_configured_store(settings) as ledger:
        written = found.save(ledger, message_ids, instance=settings.instance)
        met = written.inserted + written.updated + written.unchanged
        say(
            f"Saved in {ledger.location}: {plural(met, 'message')}: {written.inserted:,} inserted, "
            f"{written.updated:,} updated, {written.unchanged:,} unchanged"
        )


def _say_ledger(settings: Settings) -> None:
    """Say how much more the ledger holds than a look into n8n can show. A ledger that is away spoils nothing."""
    from ticktrail.messages.filters import MessageFilter
    from ticktrail.text.formatting import plural

    with open_configured_store(settings) as ledger:
        try:
            held = ledger.count(MessageFilter()) if ledger.exists() else 0
        except TicktrailError as error:
            say(f"The ledger could not be asked: {error}")
            return
        if held:
            say(f"The ledger holds {plural(held, 'message')}, back to before n8n deleted them: ticktrail messages")
        else:
            say("n8n deletes executions after days. To keep every status: ticktrail sync")
