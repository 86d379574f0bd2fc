"""The command that shows one person's conversation, with ticks."""

from __future__ import annotations

import itertools
import sys
from typing import Annotated

import typer

from ticktrail.cli.options import (
    FormatOption,
    SinceOption,
    StoreOption,
    existing_ledger,
    failure_codes,
    form_of,
    moment,
    open_conversations,
    read_settings,
    say,
)
from ticktrail.errors import NotFoundError

app = typer.Typer()


@app.command()
def conversation(
    wa_id: Annotated[str, typer.Argument(metavar="WA_ID", help="The person: a number as you type it, or another id.")],
    *,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="The newest so many; 50 in a table, else all.")
    ] = None,
    since: SinceOption = None,
    store: StoreOption = None,
    form: FormatOption = None,
) -> None:
    """One person's conversation, oldest first, with ticks beside what was sent."""
    from ticktrail.messages.conversation import Turn, joined, turns_of
    from ticktrail.messages.filters import MessageFilter
    from ticktrail.output.conversation import write_thread
    from ticktrail.queries.people import find_person
    from ticktrail.text.phone_numbers import Person

    settings = read_settings(store)
    shown_as = form_of(form)
    most = limit or (50 if shown_as == "table" else None)
    since_timestamp = moment(since, settings)
    with existing_ledger(settings) as ledger:
        names = find_person(ledger, wa_id, settings)
        # All of them: the store's newest are those with the newest status, a thread goes by when things were said.
        chosen = MessageFilter(person=Person(names), since_timestamp=since_timestamp)
        messages = {message.message_id: message for message in ledger.messages(chosen)}
        turns: list[Turn] = []
        conversations = open_conversations(settings)
        if conversations is not None:
            try:
                found = itertools.chain.from_iterable(map(turns_of, conversations.of(names)))
                turns = list(itertools.islice(found, most))
            finally:
                conversations.close()
            told = [turn.message_id for turn in turns if turn.message_id and turn.message_id not in messages]
            messages |= ledger.get(told)
        thread = [
            turn
            for turn in joined(turns, messages)
            if since_timestamp is None or turn.timestamp is None or turn.timestamp >= since_timestamp
        ]
        thread = thread[-most:] if most else thread
        if not thread:
            raise NotFoundError(
                f"No messages found for {names[0]}{' since then' if since else ''}.",
                remedy="Type: ticktrail sync, then ask again.",
            )
        known = failure_codes(settings)
        write_thread(thread, shown_as, settings.timezone, sys.stdout, known)
        if shown_as == "table" and conversations is None:
            say("Ticktrail keeps no texts. Where your workflow keeps them in MongoDB beside this ledger, set")
            say("MONGODB_CONVERSATIONS_COLLECTION, and they are shown here.")
