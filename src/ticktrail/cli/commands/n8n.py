"""Commands that query n8n directly: ``list`` and ``track``."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ticktrail.cli.filter_options import SinceOption, limit_option
from ticktrail.cli.options import (
    ExecutionsOption,
    Format,
    FormatOption,
    SaveOption,
    SourceOption,
    StoreOption,
    VerboseOption,
    form_of,
    open_all,
    open_configured_store,
    print_message,
    read_settings,
    say,
    say_problems,
    showing_progress,
)
from ticktrail.errors import ConfigurationError, NotFoundError, StoreRefusedError, TicktrailError
from ticktrail.settings.settings import Settings

if TYPE_CHECKING:
    from ticktrail.sync.scan import Scan
    from ticktrail.text.phone_numbers import Person

app = typer.Typer()

_LISTED = 10


@app.command("list")
def list_newest(
    wa_id: Annotated[
        str | None, typer.Argument(metavar="WA_ID", help="Recipient: a phone number in any spelling")
    ] = None,
    *,
    limit: Annotated[str | None, limit_option(f"default {_LISTED}")] = None,
    executions: ExecutionsOption = 200,
    since: SinceOption = None,
    save: SaveOption = False,
    source: SourceOption = "n8n",
    store: StoreOption = None,
    form: FormatOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Query n8n directly without storing.

    Example: ticktrail list +966500000037 --executions 1000
    """
    from ticktrail.output.messages import write_messages
    from ticktrail.queries.filter_parsing import parse_message_filter
    from ticktrail.settings.user_file import UserFile, read_user_file

    settings = read_settings(store)
    person = None if wa_id is None else _person(wa_id, settings)
    most = parse_message_filter({"limit": limit}, settings, datetime.now(UTC)).limit or _LISTED
    found = _scan(settings, source, executions, since, verbose=verbose)
    chosen = found.messages(person=person, limit=most)
    printed_as = form_of(form)
    file = read_user_file(settings) if printed_as == "table" else UserFile()
    write_messages(chosen, printed_as, settings.timezone, sys.stdout, file.failure_codes, file.campaign_key)
    if save:
        _save(found, [one.message_id for one in chosen], settings)
    _say_store(settings)


@app.command()
def track(
    wa_id: Annotated[str, typer.Argument(metavar="WA_ID", help="Recipient: a phone number in any spelling")],
    message_id: Annotated[str, typer.Argument(metavar="MESSAGE_ID", help="Message id: wamid.…")],
    *,
    executions: ExecutionsOption = 200,
    since: SinceOption = None,
    save: SaveOption = False,
    source: SourceOption = "n8n",
    store: StoreOption = None,
    form: FormatOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Query n8n directly for one message.

    Example: ticktrail track +966500000037 wamid.HBgMOTY2NTAwMDAwMDM3FQIAERgS
    """
    from ticktrail.output.documents import write_documents

    settings = read_settings(store)
    person = _person(wa_id, settings)
    if not message_id.strip():
        raise ConfigurationError("MESSAGE_ID is empty.", remedy="Give a message id: wamid.…")
    found = _scan(settings, source, executions, since, verbose=verbose)
    answer, tracked = found.track(person, message_id)
    if tracked is not None:
        print_message(tracked, form, settings)
        if save:
            _save(found, [message_id], settings)
        _say_store(settings)
        return
    if form_of(form) != "table":
        document = {"messageId": message_id, "conversation_id": wa_id, "latestStatus": answer, "statusHistory": []}
        write_documents([document], form_of(form) if form is Format.json else "jsonl", sys.stdout)
    _say_store(settings)
    if answer == "wa_id_mismatch":
        raise NotFoundError(
            f"wa_id_mismatch: {message_id} was found, but was sent to another recipient.",
            remedy=f"Type: ticktrail message {message_id}",
        )
    raise NotFoundError(
        f"not_found: {message_id} is not in the newest {found.read_counts.executions:,} executions.",
        remedy=f"Search the store: ticktrail message {message_id}. Or scan more: --executions 2000",
    )


def _person(wa_id: str, settings: Settings) -> Person:
    """Return the recipient that was typed.

    Raises:
        ConfigurationError: it is empty or too short, or is a message id.
    """
    from ticktrail.settings.user_file import dialling_region
    from ticktrail.text.phone_numbers import parse_person

    if wa_id.strip().startswith("wamid."):
        raise ConfigurationError(
            "WA_ID is a message id, not a phone number.", remedy="The order is: ticktrail track WA_ID MESSAGE_ID"
        )
    return parse_person(wa_id, dialling_region(settings))


def _scan(settings: Settings, source: str, executions: int, since: str | None, *, verbose: bool) -> Scan:
    """Read the newest executions of each source, and print how many there were."""
    from ticktrail.output.sync import counts_line
    from ticktrail.queries.filter_parsing import parse_since
    from ticktrail.sync import scan

    since_timestamp = parse_since(since, settings, datetime.now(UTC))
    with ExitStack() as stack:
        sources = open_all(stack, source, settings)
        progress = stack.enter_context(showing_progress())
        found = scan.newest(sources, executions=executions, since_timestamp=since_timestamp, progress=progress)
    say(f"Scanned {counts_line(found.read_counts)}.")
    say_problems(found.read_counts, verbose=verbose)
    return found


def _save(found: Scan, message_ids: list[str], settings: Settings) -> None:
    from ticktrail.text.formatting import plural

    with open_configured_store(settings) as store:
        written = found.save(store, message_ids, instance=settings.instance)
        count = written.inserted + written.updated + written.unchanged
        say(
            f"Saved in {store.location}: {plural(count, 'message')}: {written.inserted:,} inserted, "
            f"{written.updated:,} updated, {written.unchanged:,} unchanged"
        )
    for refusal in written.refused:
        say(f"Not stored: {refusal.key}: {refusal.reason}")
    if written.refused:
        raise StoreRefusedError("The store refused some of the messages; the others are stored.")


def _say_store(settings: Settings) -> None:
    """Print how many messages the store holds beside these. A store that cannot be reached is not an error here."""
    from ticktrail.messages.filters import MessageFilter
    from ticktrail.text.formatting import plural

    with open_configured_store(settings) as store:
        try:
            count = store.count(MessageFilter()) if store.exists() else 0
        except TicktrailError as error:
            say(f"The store could not be read: {error}")
            return
        if count:
            say(f"The store holds {plural(count, 'message')}, older ones included: ticktrail messages")
        else:
            say("n8n deletes executions after days. To keep every status: ticktrail sync")
