"""Commands that take care of what is kept: erasing a person, keeping for so long only, copies."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ticktrail.cli.options import StoreOption, existing_ledger, open_configured_store, read_settings, say
from ticktrail.errors import ConfigurationError

if TYPE_CHECKING:
    from ticktrail.settings.settings import Settings
    from ticktrail.stores import Store
    from ticktrail.stores.mongodb.conversations import Conversations
    from ticktrail.stores.retention import Inventory, Pruned

app = typer.Typer()

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
_OFF = "off"


@app.command()
def forget(
    wa_id: Annotated[str, typer.Argument(metavar="WA_ID", help="The person: a number as you type it, or another id.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what there is of them, and erase nothing.")] = False,
    yes: YesOption = False,
    store: StoreOption = None,
) -> None:
    """Erase a person from the store, for good: no later sync, import or copy brings them back."""
    from ticktrail.queries.people import find_person, ids_to_erase
    from ticktrail.text.formatting import plural

    settings = read_settings(store)
    with existing_ledger(settings) as ledger, _conversations(settings) as conversations:
        names = ids_to_erase(find_person(ledger, wa_id, settings), settings)
        found = ledger.retention.inventory(*names)
        print(*_holdings_text(found, names, ledger), sep="\n")
        if dry_run:
            print("Nothing was erased.")
            return
        question = "Erase all of it, for good?" if found.any else "Keep them out of this store from now on?"
        _confirm(question, yes=yes)
        gone = ledger.retention.forget(*names, at=datetime.now(UTC))
        if gone.any:
            print(f"Erased {_what(gone)}.")
        print("A salted hash of their id stays, so that no sync, import or copy brings them back.")
        if not ledger.retention.clear_traces():
            say("Their number may still lie in free space of the file, for something else was using it.")
            say(f"When nothing does, type once more: ticktrail forget {wa_id} --yes")
        if conversations is not None:
            theirs, cleared = conversations.clear(gone.names, gone.message_ids)
            if cleared:
                print(f"Removed the status fields from {plural(cleared, 'document')} of {conversations.location}.")
            if theirs:
                left = plural(theirs, "document")
                print(f"Left alone, for they belong to your workflow: {left} of theirs in {conversations.location}.")
        print("Not reached from here: executions that n8n still has, backups, and files you exported.")


@app.command()
def prune(
    *,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="DURATION", help="Remove messages older than this: 180d, 26w. Or: off."),
    ] = None,
    ttl: Annotated[
        str | None,
        typer.Option("--ttl", metavar="DURATION", help="MongoDB only: have the server itself remove them. Or: off."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")] = False,
    yes: YesOption = False,
    store: StoreOption = None,
) -> None:
    """Remove messages that are older than you want to keep them, with their statuses and sends."""
    if (older_than is None) == (ttl is None):
        raise ConfigurationError(
            "Say what is to go: --older-than or --ttl, one of them.", remedy="Type: ticktrail prune --older-than 180d"
        )
    settings = read_settings(store)
    with existing_ledger(settings) as ledger:
        if ttl is not None:
            _set_ttl(ledger, ttl, dry_run=dry_run, yes=yes)
        elif older_than is not None and older_than.strip().lower() == _OFF:
            ledger.retention.keep_since(None)
            print(f"{ledger.location} takes statuses of any age again. What was pruned does not come back by itself.")
        elif older_than is not None:
            _prune(ledger, settings, older_than, dry_run=dry_run, yes=yes)


def _prune(ledger: Store, settings: Settings, older_than: str, *, dry_run: bool, yes: bool) -> None:
    from ticktrail.stores.retention import Pruned
    from ticktrail.text.times import parse_duration

    mark = int(datetime.now(UTC).timestamp()) - parse_duration(older_than)
    day = f"{datetime.fromtimestamp(mark, settings.timezone):%Y-%m-%d %H:%M}"
    found = ledger.retention.older(mark)
    if found.messages or found.sends:
        print(f"Sent before {day}, in {ledger.location}: {_pruned(found)}")
    else:
        print(f"{ledger.location} holds nothing that was sent before {day}.")
    if dry_run:
        print("Nothing was removed.")
        return
    _confirm("Remove it, for good, and take in nothing older than that from now on?", yes=yes)
    # Before anything goes, so that a sync at work does not bring it back.
    ledger.retention.keep_since(mark)
    gone = Pruned()
    for portion in ledger.retention.prune(mark):
        gone += portion
    if gone.messages or gone.sends:
        print(f"Removed {_pruned(gone)}.")
    print(f"Statuses from before {day} are not taken in again, whatever n8n still has.")


def _pruned(what: Pruned) -> str:
    from ticktrail.text.formatting import plural

    return f"{plural(what.messages, 'message')} and {plural(what.sends, 'record')} of sending"


def _set_ttl(ledger: Store, ttl: str, *, dry_run: bool, yes: bool) -> None:
    from ticktrail.text.times import parse_duration

    before = ledger.retention.ttl_seconds()
    now = "nothing" if before is None else f"what is older than {_days(before)}"
    if ttl.strip().lower() == _OFF:
        if dry_run:
            print(f"MongoDB deletes {now} by itself. Nothing was changed.")
            return
        ledger.retention.set_ttl(None)
        print(f"MongoDB no longer deletes anything by itself in {ledger.location}.")
        return
    seconds = parse_duration(ttl)
    if not ledger.location.startswith("mongodb"):
        ledger.retention.set_ttl(seconds)
    print(f"MongoDB deletes {now} by itself in {ledger.location}.")
    print(
        f"From now on it would delete every message {_days(seconds)} after Ticktrail first saw it, and every record of "
        f"sending {_days(seconds)} after it was sent: those that are older within minutes, all others when their "
        "time comes, whether Ticktrail runs or not."
    )
    if dry_run:
        print("Nothing was changed.")
        return
    _confirm("Do that?", yes=yes)
    ledger.retention.set_ttl(seconds)
    print("Done. To end it: ticktrail prune --ttl off")


@app.command()
def copy(
    *,
    to: Annotated[str, typer.Option("--to", metavar="URL", help="The store to copy into; made when it is missing.")],
    from_store: Annotated[
        str | None,
        typer.Option("--from-store", "--store", metavar="URL", help="The store to copy; else the usual one."),
    ] = None,
) -> None:
    """Copy everything into another store. Safe to repeat: what is there already is merged, never doubled."""
    from ticktrail.output.sync import written_line
    from ticktrail.stores import copying
    from ticktrail.text.formatting import plural

    settings, target = read_settings(from_store), read_settings(to, quiet=True)
    with existing_ledger(settings) as ledger, open_configured_store(target) as other, _counting() as progress:
        if ledger.location == other.location:
            raise ConfigurationError(f"{ledger.location} is both the source and the target of the copy.")
        report = copying.copy(ledger, other, at=datetime.now(UTC), progress=progress)
        print(f"Copied {ledger.location}")
        print(f"  {plural(report.messages, 'message')} and {plural(report.sends, 'record')} of sending")
        print(f"into {other.location}")
        print(f"  {written_line(report.written)}")
        if report.tombstones:
            erased = f"; {plural(report.erased, 'record')} of theirs erased there" if report.erased else ""
            print(f"  {plural(report.tombstones, 'id')} of people who were forgotten, now kept out there too{erased}")
        for refusal in report.written.refused[:10]:
            say(f"not taken: {refusal.key}: {refusal.reason}")
        if report.written.refused:
            raise typer.Exit(1)
        print("To go on with it, set TICKTRAIL_STORE or MONGODB_URI and run ticktrail sync, which fills in the rest.")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; one that exists is never replaced.")],
    store: StoreOption = None,
) -> None:
    """Copy the SQLite store to a file, as it is at one moment, while others go on writing."""
    from ticktrail.text.formatting import size_text

    settings = read_settings(store)
    with existing_ledger(settings) as ledger:
        size = ledger.retention.backup(file)
        print(f"Copied {ledger.location} to {file} ({size_text(size)}), and checked it: whole.")
        print(f"To use it: ticktrail messages --store {file}")


def _holdings_text(found: Inventory, asked: Sequence[str], ledger: Store) -> list[str]:
    from ticktrail.text.formatting import plural
    from ticktrail.text.sanitizing import one_line

    name = one_line(found.names[0], 60)
    others = [one_line(other, 60) for other in found.names if other not in asked]
    also = f" (also known as {', '.join(others)})" if others else ""
    if not found.any:
        was = "They were forgotten before." if found.before else "Is the number right, with its country code?"
        return [f"{ledger.location} holds nothing of {name}{also}. {was}"]
    lines = [f"{ledger.location} holds of {name}{also}:"]
    if found.messages:
        lines.append(f"  {plural(found.messages, 'message')} with {plural(found.statuses, 'status')}")
    if found.group_messages:
        groups = plural(found.group_messages, "message")
        lines.append(f"  {plural(found.group_statuses, 'status')} of theirs in {groups} to groups")
    if found.sends:
        lines.append(f"  {plural(found.sends, 'record')} of sending to them")
    if found.records:
        lines.append(f"  {plural(found.records, 'record')} of syncs and alerts that name them")
    return lines


def _what(gone: Inventory) -> str:
    from ticktrail.text.formatting import plural

    parts = (
        (gone.messages, "message", ""),
        (gone.statuses + gone.group_statuses, "status", ""),
        (gone.sends, "record", " of sending"),
        (gone.records, "record", " of syncs and alerts"),
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
    """A line on stderr that says how far a copy is; silent when nobody watches."""
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    from rich.console import Console

    with Console(stderr=True).status("copying …") as status:
        yield lambda count: status.update(f"{count:,} messages copied")


def _confirm(question: str, *, yes: bool) -> None:
    """Go on only when somebody says yes."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError(f"{question} Nobody is there to answer; nothing was changed.", remedy="Add --yes")
    if not typer.confirm(question, default=False, err=True):
        say("Nothing was changed.")
        raise typer.Exit(0)


def _days(seconds: int) -> str:
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds % size == 0:
            return f"{seconds // size:,} {name}{'' if seconds == size else 's'}"
    raise AssertionError
