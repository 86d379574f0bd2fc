"""The command lines of ``track_message_status.py``, the script that came before Ticktrail, unchanged.

    track_message_status.py [WA_ID] [MESSAGE_ID] [--limit 200] [--max-messages 10] [--since UNIX] [--save-to-mongodb]

``--limit`` counts executions. JSON goes to stdout, progress to stderr, lines about the store begin with ``[mongodb]``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ticktrail.cli.options import open_all, open_configured_store, say
from ticktrail.cli.streams import run_with_streams
from ticktrail.errors import ConfigurationError, StoreRefusedError, TicktrailError
from ticktrail.messages.document import format_timestamp
from ticktrail.messages.model import HistoryEntry, Message
from ticktrail.settings.loading import load_settings
from ticktrail.settings.settings import Settings
from ticktrail.settings.user_file import dialling_region
from ticktrail.sync.scan import Scan, newest
from ticktrail.text.phone_numbers import parse_person
from ticktrail.text.times import parse_moment


def main(arguments: Sequence[str] | None = None, *, script_folder: str | None = None) -> int:
    """Run one of the older command lines and return its exit code.

    Args:
        script_folder: where ``.env`` is looked for when the working directory has none, so that a cron entry works
            from any folder.
    """
    return run_with_streams(lambda: _run_and_explain(_parser().parse_args(arguments), script_folder))


def _run_and_explain(options: argparse.Namespace, script_folder: str | None) -> int:
    directory = Path.cwd()
    if script_folder is not None and not (directory / ".env").exists():
        directory = Path(script_folder)
    try:
        _run(options, load_settings({}, os.environ, directory))
    except TicktrailError as error:
        say(f"{'[mongodb] ' if options.saving else ''}{error}")
        if error.remedy:
            say(error.remedy)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="track_message_status.py",
        description="Statuses of WhatsApp messages in the newest n8n executions, as JSON. Newer: ticktrail --help",
    )
    parser.add_argument("wa_id", nargs="?", help="recipient: a phone number")
    parser.add_argument("message_id", nargs="?", help="message id: wamid.…")
    parser.add_argument("--limit", type=int, default=200, help="number of newest executions to scan (default 200)")
    parser.add_argument("--max-messages", type=int, default=10, help="maximum number of messages (default 10)")
    parser.add_argument("--since", help="leave out older statuses: Unix seconds")
    parser.add_argument("--save-to-mongodb", action="store_true", help="store what is printed")
    parser.set_defaults(saving=False)
    return parser


def _run(options: argparse.Namespace, settings: Settings) -> None:
    since = None if options.since is None else parse_moment(options.since, datetime.now(UTC), settings.timezone)
    person = None if options.wa_id is None else parse_person(options.wa_id, dialling_region(settings))
    with ExitStack() as stack:
        sources = open_all(stack, "n8n", settings)
        limit = max(1, options.limit)
        say(f"Scanning the newest {limit} executions of {', '.join(settings.workflow_ids)} …")
        found = newest(sources, executions=limit, since_timestamp=since, progress=lambda _tally: None)
    say(f"Scanned {found.read_counts.executions} executions, {found.read_counts.events} statuses.")
    for problem in found.read_counts.problems[:20]:
        say(problem)
    workflow = ",".join(settings.workflow_ids)
    if person is not None and options.message_id:
        answer, message = found.track(person, options.message_id)
        kept = [] if message is None else [message]
        document = tracked_document(workflow, options.wa_id, options.message_id, answer, message, settings)
    else:
        kept = found.messages(person=person, limit=max(0, options.max_messages))
        document = listed_document(workflow, options.wa_id, kept, settings)
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    if options.save_to_mongodb:
        options.saving = True
        _save(found, kept, settings)


def listed_document(
    workflow: str, wa_id: str | None, messages: Sequence[Message], settings: Settings
) -> dict[str, Any]:
    """Return the answer without a message id: the newest messages with their histories."""
    return {
        "workflowId": workflow,
        "filterWaId": wa_id,
        "totalMessages": len(messages),
        "messages": [
            {
                "messageId": message.message_id,
                "waId": message.attributes.conversation_id,
                **_latest(message, settings),
                "statusCount": len(message.history),
                "history": [_entry(entry, settings) for entry in message.history],
            }
            for message in messages
        ],
    }


def tracked_document(
    workflow: str, wa_id: str, message_id: str, answer: str, message: Message | None, settings: Settings
) -> dict[str, Any]:
    """Return the answer with a message id: its history, or in ``latestStatus`` why there is none."""
    history = () if message is None else message.history
    nothing = {"latestStatus": answer, "latestTimestamp": None, "latestTimestampFormatted": None}
    return {
        "waId": wa_id,
        "messageId": message_id,
        "workflowId": workflow,
        **(nothing if message is None else _latest(message, settings)),
        "history": [_entry(entry, settings) for entry in history],
        "foundInExecutionsCount": len({entry.execution_id for entry in history}),
    }


def _latest(message: Message, settings: Settings) -> dict[str, Any]:
    state = message.state
    return {
        "latestStatus": state.latest_status,
        "latestTimestamp": state.latest_timestamp,
        "latestTimestampFormatted": format_timestamp(state.latest_timestamp, settings.timezone),
    }


def _entry(entry: HistoryEntry, settings: Settings) -> dict[str, Any]:
    return {
        "status": entry.status,
        "timestamp": entry.timestamp,
        "timestampFormatted": format_timestamp(entry.timestamp, settings.timezone),
        "executionId": entry.execution_id,
        "waId": entry.conversation_id,
    }


def _save(found: Scan, messages: Sequence[Message], settings: Settings) -> None:
    if not settings.store_url.reveal().startswith("mongodb"):
        raise ConfigurationError(
            "MONGODB_URI is not set, or TICKTRAIL_STORE names a SQLite file, so nothing was saved.",
            remedy="Set MONGODB_URI in .env without TICKTRAIL_STORE. To save to a SQLite file, type: ticktrail sync",
        )
    with open_configured_store(settings) as store:
        written = found.save(store, [message.message_id for message in messages], instance=settings.instance)
    count = written.inserted + written.updated + written.unchanged
    say(
        f"[mongodb] {count} messages: {written.inserted} inserted, "
        f"{written.updated} updated, {written.unchanged} unchanged"
    )
    for refusal in written.refused:
        say(f"[mongodb] not stored: {refusal.key}: {refusal.reason}")
    if written.refused:
        raise StoreRefusedError("The store refused some of the messages; the others are stored.")
