"""The command ``conversation``: one person's messages, with ticks."""

from __future__ import annotations

import itertools
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ticktrail.cli.filter_options import SinceOption, limit_option
from ticktrail.cli.options import (
    TABLE_LIMIT,
    FormatOption,
    StoreOption,
    existing_store,
    form_of,
    open_conversations,
    read_settings,
    say,
)
from ticktrail.errors import NotFoundError

if TYPE_CHECKING:
    from ticktrail.messages.conversation import Turn
    from ticktrail.settings.settings import Settings
    from ticktrail.stores import Store

app = typer.Typer()


@app.command()
def conversation(
    wa_id: Annotated[
        str, typer.Argument(metavar="WA_ID", help="Recipient: a phone number in any spelling, or its last digits")
    ],
    *,
    limit: Annotated[str | None, limit_option("default the newest 50 in tables, else all")] = None,
    since: SinceOption = None,
    store: StoreOption = None,
    form: FormatOption = None,
) -> None:
    """Show one person's conversation with ticks.

    Example: ticktrail conversation +966500000037
    """
    from ticktrail.output.conversation import write_thread
    from ticktrail.queries.filter_parsing import parse_message_filter
    from ticktrail.settings.user_file import read_user_file

    settings = read_settings(store)
    printed_as = form_of(form)
    chosen = parse_message_filter({"since": since, "limit": limit}, settings, datetime.now(UTC))
    most = chosen.limit or (TABLE_LIMIT if printed_as == "table" else None)
    with existing_store(settings) as opened:
        thread, has_texts = _thread(opened, settings, wa_id, chosen.since_timestamp, most)
    if not thread:
        raise NotFoundError(
            f"No messages found for {wa_id}{f' since {since}' if since else ''}.",
            remedy="Type: ticktrail sync, then try again.",
        )
    file = read_user_file(settings)
    write_thread(thread, printed_as, settings.timezone, sys.stdout, file.failure_codes, file.campaign_key)
    if printed_as == "table" and not has_texts:
        say("Texts are not stored. If your workflow keeps them in the same MongoDB database, set")
        say("MONGODB_CONVERSATIONS_COLLECTION, and they are shown here.")


def _thread(
    store: Store, settings: Settings, wa_id: str, since: int | None, most: int | None
) -> tuple[list[Turn], bool]:
    """Return a person's newest turns, oldest first, and whether texts of conversations are kept at all."""
    from ticktrail.messages.conversation import join_turns, turns_of
    from ticktrail.messages.filters import MessageFilter
    from ticktrail.queries.people import find_person
    from ticktrail.text.phone_numbers import Person

    names = find_person(store, wa_id, settings)
    # All messages, not a page: the store sorts by the latest status, a conversation by the time of sending.
    chosen = MessageFilter(person=Person(names), since_timestamp=since)
    messages = {message.message_id: message for message in store.messages(chosen)}
    turns: list[Turn] = []
    conversations = open_conversations(settings)
    if conversations is not None:
        try:
            found = itertools.chain.from_iterable(map(turns_of, conversations.of(names)))
            turns = list(itertools.islice(found, most))
        finally:
            conversations.close()
        messages |= store.get([one.message_id for one in turns if one.message_id and one.message_id not in messages])
    thread = [
        turn
        for turn in join_turns(turns, messages)
        if since is None or turn.timestamp is None or turn.timestamp >= since
    ]
    return thread[-most:] if most else thread, conversations is not None
