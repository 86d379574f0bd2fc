"""Commands that maintain the store: ``forget``, ``prune``, ``copy`` and ``backup``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ticktrail.cli.invocation import as_typed, quoted, remember_store
from ticktrail.cli.options import StoreOption, existing_store, open_configured_store, read_settings, say
from ticktrail.errors import ConfigurationError, NotFoundError

if TYPE_CHECKING:
    from ticktrail.settings.settings import Settings
    from ticktrail.stores import Store
    from ticktrail.stores.mongodb.conversations import Conversations
    from ticktrail.stores.retention import Inventory, Pruned

app = typer.Typer()

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation")]
_OFF = "off"


@app.command()
def forget(
    wa_id: Annotated[str, typer.Argument(metavar="WA_ID", help="The person: a phone number in any spelling, or an id")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what is stored, and erase nothing")] = False,
    yes: YesOption = False,
    store: StoreOption = None,
) -> None:
    """Erase a person for good.

    No later sync, import or copy brings them back. Exit code 3 when the store holds nothing about them.
    """
    from ticktrail.queries.people import find_person, ids_to_erase
    from ticktrail.text.formatting import plural

    settings = read_settings(store)
    with existing_store(settings) as opened, _conversations(settings) as conversations:
        names = ids_to_erase(find_person(opened, wa_id, settings), settings)
        found = opened.retention.inventory(*names)
        waiting = _waiting_webhooks(settings, (*found.names, *names))
        if not found.any and not found.before and not waiting:
            raise _not_found(opened, found)
        if found.any or found.before:
            print(*_inventory_text(found, names, opened), sep="\n")
        if waiting:
            print(f"The receiver's journal {settings.receiver.journal} holds {plural(waiting, 'webhook')} about them.")
        if dry_run:
            print("Nothing was erased.")
            return
        _confirm("Erase all of it, for good?" if found.any or waiting else "Erase what may be left of them?", yes=yes)
        _erase(opened, conversations, names, wa_id)
        if waiting:
            _erase_in_journal(settings.receiver.journal, (*found.names, *names))


def _waiting_webhooks(settings: Settings, names: Sequence[str]) -> int:
    """Return how many webhooks in the receiver's journal name a person."""
    from ticktrail.stores.journal import Journal

    path = settings.receiver.journal
    if not path.is_file():
        return 0
    with Journal(path) as journal:
        alone, shared = journal.concerning(names)
    return len(alone) + shared


def _erase_in_journal(path: Path, names: Sequence[str]) -> None:
    from ticktrail.stores.journal import Journal
    from ticktrail.text.formatting import plural

    with Journal(path) as journal:
        alone, shared = journal.concerning(names)
        journal.delete(alone)
    if alone:
        print(f"Deleted {plural(len(alone), 'webhook')} from the receiver's journal.")
    if shared:
        print(f"Left in the journal until n8n has them, because others are in them too: {plural(shared, 'webhook')}.")


def _erase(store: Store, conversations: Conversations | None, names: Sequence[str], wa_id: str) -> None:
    from ticktrail.text.formatting import plural

    gone = store.retention.forget(*names, at=datetime.now(UTC))
    if gone.any:
        print(f"Erased {_counts_text(gone)}.")
    print("A salted hash of their id stays, so that no sync, import or copy brings them back.")
    if not store.retention.clear_traces():
        say("Their number may remain in free space of the file, because another program was using it.")
        say(f"When no program uses it, type again: ticktrail forget {quoted(wa_id)} --yes")
    if conversations is not None:
        theirs, cleared = conversations.clear(gone.names, gone.message_ids)
        if cleared:
            print(f"Removed the status fields from {plural(cleared, 'document')} of {conversations.location}.")
        if theirs:
            left = plural(theirs, "document")
            print(f"Left alone, because your workflow owns them: {left} of theirs in {conversations.location}.")
    print("Not erased: executions that n8n still has, backups, and files you exported.")


def _not_found(store: Store, found: Inventory) -> NotFoundError:
    """The error for a person of whom the store holds nothing, with similar numbers that it does hold."""
    from ticktrail.messages.filters import Grouping, MessageFilter
    from ticktrail.queries.similar_people import similar_numbers
    from ticktrail.text.sanitizing import one_line

    name = found.names[0]
    keys = (group.key for group in store.statistics(MessageFilter(), Grouping.USER, young_since=0))
    similar = similar_numbers(name, (key for key in keys if isinstance(key, str)))
    return NotFoundError(
        f"{store.location} holds nothing about {one_line(name, 60)}. Nothing was changed.",
        remedy=f"Similar numbers: {', '.join(similar)}" if similar else "Check the number and its country code.",
    )


@app.command()
def prune(
    *,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="DURATION", help="Remove messages sent longer ago: 180d, 26w; or off"),
    ] = None,
    ttl: Annotated[
        str | None,
        typer.Option("--ttl", metavar="DURATION", help="Let MongoDB itself remove messages after this time; or off"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing")] = False,
    yes: YesOption = False,
    store: StoreOption = None,
) -> None:
    """Remove old messages and sends.

    Data from before that time is not stored again. MongoDB can do the same by itself: --ttl.

    Example: ticktrail prune --older-than 180d --dry-run
    """
    if (older_than is None) == (ttl is None):
        raise ConfigurationError("Give either --older-than or --ttl.", remedy="Type: ticktrail prune --older-than 180d")
    settings = read_settings(store)
    with existing_store(settings) as opened:
        if ttl is not None:
            _set_ttl(opened, ttl, dry_run=dry_run, yes=yes)
        elif older_than is not None and older_than.strip().lower() == _OFF:
            _end_limit(opened, dry_run=dry_run)
        elif older_than is not None:
            _prune(opened, settings, older_than, dry_run=dry_run, yes=yes)


def _end_limit(store: Store, *, dry_run: bool) -> None:
    if dry_run:
        print(f"{store.location} would store statuses of any age again. Nothing was changed.")
        return
    store.retention.keep_since(None)
    print(f"{store.location} stores statuses of any age again. What was removed does not come back by itself.")


def _prune(store: Store, settings: Settings, older_than: str, *, dry_run: bool, yes: bool) -> None:
    from ticktrail.stores.retention import Pruned
    from ticktrail.text.formatting import date_time

    # Nothing is older than the epoch, and no date is earlier than the year 1.
    mark = max(0, int(datetime.now(UTC).timestamp()) - _duration("--older-than", older_than))
    day = date_time(datetime.fromtimestamp(mark, settings.timezone))
    found = store.retention.older(mark)
    if found.messages or found.sends:
        print(f"Sent before {day}, in {store.location}: {_pruned(found)}")
    else:
        print(f"{store.location} holds nothing sent before {day}.")
    if dry_run:
        print("Nothing was removed.")
        return
    _confirm("Remove it for good, and store nothing older than that from now on?", yes=yes)
    # Set before removing, so that a running sync does not store the data again.
    store.retention.keep_since(mark)
    gone = Pruned()
    for portion in store.retention.prune(mark):
        gone += portion
    if gone.messages or gone.sends:
        print(f"Removed {_pruned(gone)}.")
    print(f"Statuses from before {day} are not stored again, even if n8n still has them.")


def _pruned(what: Pruned) -> str:
    from ticktrail.text.formatting import plural

    return f"{plural(what.messages, 'message')} and {plural(what.sends, 'send')}"


def _set_ttl(store: Store, ttl: str, *, dry_run: bool, yes: bool) -> None:
    from ticktrail.text.formatting import long_duration

    if not store.location.startswith("mongodb"):
        store.retention.set_ttl(None)  # refuses, before anything is printed
    before = store.retention.ttl_seconds()
    now = "nothing" if before is None else f"what is older than {long_duration(before)}"
    if ttl.strip().lower() == _OFF:
        if dry_run:
            print(f"MongoDB deletes {now} by itself. Nothing was changed.")
            return
        store.retention.set_ttl(None)
        print(f"MongoDB no longer deletes anything by itself in {store.location}.")
        return
    seconds = _duration("--ttl", ttl)
    age = long_duration(seconds)
    print(f"MongoDB deletes {now} by itself in {store.location}.")
    print(
        f"From now on it would delete every message {age} after Ticktrail first saw it, and every send "
        f"{age} after it was made: older ones within minutes, others when their time comes, even while "
        "Ticktrail does not run."
    )
    if dry_run:
        print("Nothing was changed.")
        return
    _confirm("Set it?", yes=yes)
    store.retention.set_ttl(seconds)
    print(as_typed("Done. To undo it: ticktrail prune --ttl off"))


@app.command()
def copy(
    *,
    to: Annotated[str, typer.Option("--to", metavar="URL", help="Store to copy into; created if it is missing")],
    from_store: Annotated[
        str | None,
        typer.Option("--from-store", "--store", metavar="URL", help="Store to copy from (default: the configured one)"),
    ] = None,
) -> None:
    """Copy everything into another store.

    Safe to repeat: data that exists in the target is merged, never doubled.

    Example: ticktrail copy --to mongodb://localhost:27017/n8n_whatsapp
    """
    from ticktrail.output.sync import written_line
    from ticktrail.stores import copying
    from ticktrail.text.formatting import plural

    settings = read_settings(from_store, option="--from-store")
    target = read_settings(to, option="--to", quiet=True)
    with existing_store(settings) as opened, open_configured_store(target) as other, _counting() as progress:
        if opened.location == other.location:
            raise ConfigurationError(f"{opened.location} is both the source and the target of the copy.")
        report = copying.copy(opened, other, at=datetime.now(UTC), progress=progress)
        print(f"Copied {opened.location}")
        print(f"  {plural(report.messages, 'message')} and {plural(report.sends, 'send')}")
        print(f"into {other.location}")
        print(f"  {written_line(report.written)}")
        if report.tombstones:
            erased = f"; erased {plural(report.erased, 'record')} of theirs there" if report.erased else ""
            print(f"  {plural(report.tombstones, 'id')} of forgotten people, excluded there too{erased}")
        for refusal in report.written.refused[:10]:
            say(f"refused: {refusal.key}: {refusal.reason}")
        if report.written.refused:
            raise typer.Exit(1)
        remember_store(to)
        print(as_typed("To use the copy: ticktrail sync (for good: set TICKTRAIL_STORE or MONGODB_URI to it)"))


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write; an existing one is never replaced")],
    store: StoreOption = None,
) -> None:
    """Back up the SQLite store to a file.

    Example: ticktrail backup ticktrail-2026-11-22.sqlite
    """
    from ticktrail.text.formatting import size_text

    if str(file) == "-":
        raise ConfigurationError("A backup cannot be written to standard output.", remedy="Name a file.")
    settings = read_settings(store)
    with existing_store(settings) as opened:
        size = opened.retention.backup(file)
        print(f"Copied {opened.location} to {file} ({size_text(size)}), and checked that the copy is whole.")
        print(as_typed(f"To use it: ticktrail messages --store {quoted(str(file))}"))


def _duration(option: str, text: str) -> int:
    """Return a duration in seconds; an error names the option."""
    from ticktrail.text.times import parse_duration

    try:
        return parse_duration(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{option}: {error}", remedy=error.remedy) from None


def _inventory_text(found: Inventory, given: Sequence[str], store: Store) -> list[str]:
    from ticktrail.text.formatting import plural
    from ticktrail.text.sanitizing import one_line

    name = one_line(found.names[0], 60)
    others = [one_line(other, 60) for other in found.names if other not in given]
    also = f" (also known as {', '.join(others)})" if others else ""
    if not found.any:
        return [f"{store.location} holds nothing about {name}{also}, who was forgotten before."]
    lines = [f"{store.location} holds about {name}{also}:"]
    if found.messages:
        lines.append(f"  {plural(found.messages, 'message')} with {plural(found.statuses, 'status')}")
    if found.group_messages:
        groups = plural(found.group_messages, "message")
        lines.append(f"  {plural(found.group_statuses, 'status')} of theirs in {groups} to groups")
    if found.sends:
        lines.append(f"  {plural(found.sends, 'send')} to them")
    if found.records:
        lines.append(f"  {plural(found.records, 'record')} of syncs, alerts and other messages that name them")
    return lines


def _counts_text(gone: Inventory) -> str:
    from ticktrail.text.formatting import plural

    parts = (
        (gone.messages, "message", ""),
        (gone.statuses + gone.group_statuses, "status", ""),
        (gone.sends, "send", ""),
        (gone.records, "record", " of syncs, alerts and other messages"),
    )
    return ", ".join(plural(count, noun) + more for count, noun, more in parts if count)


@contextmanager
def _conversations(settings: Settings) -> Iterator[Conversations | None]:
    from ticktrail.cli.options import open_conversations

    opened = open_conversations(settings)
    try:
        yield opened
    finally:
        if opened is not None:
            opened.close()


@contextmanager
def _counting() -> Iterator[Callable[[int], None]]:
    """Show on stderr how many messages were copied, where stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    from rich.console import Console

    with Console(stderr=True).status("copying …") as status:
        yield lambda count: status.update(f"{count:,} messages copied")


def _confirm(question: str, *, yes: bool) -> None:
    """Ask before going on.

    Raises:
        ConfigurationError: there is no terminal to answer on.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError(
            f"{question} There is no terminal to answer on. Nothing was changed.", remedy="Add --yes to confirm."
        )
    if not typer.confirm(question, default=False, err=True):
        say("Nothing was changed.")
        raise typer.Exit(0)
