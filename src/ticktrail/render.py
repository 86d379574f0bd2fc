"""Records → text: tables with ticks for people, JSON, JSON Lines and CSV for programs.

Nothing here opens a file or knows a store. Writers take the stream they write to; what a stream's encoding cannot
show is shown in ASCII.
"""

from __future__ import annotations

import csv
import itertools
import json
import shutil
from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ticktrail.document import format_timestamp, to_document
from ticktrail.model import FAILED, HistoryEntry, Message

FORMATS = ("table", "json", "jsonl", "csv")

_TICKS = {"sent": "✓", "delivered": "✓✓", "read": "✓✓", "played": "✓✓", "failed": "✗", "undelivered": "✗"}
_ASCII_TICKS = {"sent": "v", "delivered": "vv", "read": "vv", "played": "vv", "failed": "x", "undelivered": "x"}
_STYLES = {
    "read": "bright_blue",
    "played": "bright_blue",
    "failed": "bold red",
    "undelivered": "bold red",
    "delivered": "default",
    "sent": "default",
}

CSV_COLUMNS = (
    "messageId",
    "conversation_id",
    "latestStatus",
    "latestTimestamp",
    "latestTimestampFormatted",
    "sentTimestamp",
    "deliveredTimestamp",
    "readTimestamp",
    "playedTimestamp",
    "failedTimestamp",
    "failureCode",
    "failureTitle",
    "failureDetails",
    "template",
    "templateLanguage",
    "displayPhoneNumber",
    "callbackData",
    "workflowId",
    "statusCount",
    "statuses",
    "firstSeenAt",
    "lastUpdatedAt",
    "lastScannedAt",
)


def can_show(stream: TextIO, text: str) -> bool:
    """Whether a stream's encoding has these characters."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def console(stream: TextIO) -> Console:
    """A console for a stream: colours on a terminal, the terminal's width, 100 columns when there is none."""
    width = None if stream.isatty() else shutil.get_terminal_size((100, 24)).columns
    return Console(file=stream, width=width, highlight=False, soft_wrap=False, emoji=False, markup=False)


def tick(status: str, stream: TextIO) -> Text:
    """A status as WhatsApp draws it, with the word beside it, for the colour is not all there is to tell them apart."""
    ticks = _TICKS if can_show(stream, "✓✗") else _ASCII_TICKS
    return Text(f"{ticks.get(status, '·' if ticks is _TICKS else '-'):<2} {status}", style=_STYLES.get(status, "dim"))


def to_json(document: dict[str, Any], *, ascii_only: bool = False, indent: int | None = None) -> str:
    """A document as JSON, dates as ISO 8601 with offset."""
    return json.dumps(document, default=_json_value, ensure_ascii=ascii_only, indent=indent)


def _json_value(value: object) -> str:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else str(value)


def write_messages(messages: Iterable[Message], form: str, zone: tzinfo, stream: TextIO) -> int:
    """Write messages in one of :data:`FORMATS`; JSON, JSON Lines and CSV as they come, in flat memory.

    Returns:
        how many were written.
    """
    counted = _Counted(messages)
    if form == "table":
        _write_table(counted, zone, stream)
    elif form == "csv":
        _write_csv(counted, zone, stream)
    else:
        write_documents((to_document(message, zone) for message in counted), form, stream)
    return counted.count


class _Counted:
    """An iterable that knows how far it got."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self.count = 0
        self._messages = messages

    def __iter__(self) -> Iterator[Message]:
        for message in self._messages:
            self.count += 1
            yield message


def write_documents(documents: Iterable[dict[str, Any]], form: str, stream: TextIO) -> None:
    """Write documents as one JSON array (``json``) or one a line (``jsonl``)."""
    ascii_only = not can_show(stream, "✓é漢")
    if form == "jsonl":
        stream.writelines(to_json(document, ascii_only=ascii_only) + "\n" for document in documents)
        return
    separator = "[\n"
    for document in documents:
        stream.write(separator + to_json(document, ascii_only=ascii_only))
        separator = ",\n"
    stream.write("[]\n" if separator == "[\n" else "\n]\n")


def _write_csv(messages: Iterable[Message], zone: tzinfo, stream: TextIO) -> None:
    writer = csv.DictWriter(stream, CSV_COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for message in messages:
        document = to_document(message, zone)
        failure = document.get("failure") or {}
        template = document.get("template") or {}
        document.update(
            failureCode=failure.get("code"),
            failureTitle=failure.get("title"),
            failureDetails=failure.get("details"),
            template=template.get("name"),
            templateLanguage=template.get("language"),
            statuses=" ".join(entry["status"] for entry in document["statusHistory"]),
        )
        row = {name: _json_value(value) if isinstance(value, datetime) else value for name, value in document.items()}
        writer.writerow({name: harmless(value) for name, value in row.items()})


def harmless(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return "'" + value
    return value


def _write_table(messages: Iterable[Message], zone: tzinfo, stream: TextIO) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    table.add_column("time", no_wrap=True)
    table.add_column("to", no_wrap=True)
    table.add_column("status", no_wrap=True)
    # Where it is narrow, only these two give way: a cell that may not wrap in a column that may.
    table.add_column("about")
    table.add_column("message", max_width=48)
    shown = False
    for message in messages:
        shown = True
        table.add_row(
            format_timestamp(message.standing.latest_timestamp, zone) or "no time",
            message.attributes.conversation_id or message.attributes.recipient_user_id or "unknown",
            tick(message.standing.latest_status, stream),
            _one_line(remark(message)),
            _one_line(message.message_id),
        )
    if shown:
        console(stream).print(table)


def _one_line(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")


def remark(message: Message) -> str:
    """What one should know of a message beside its status, in a few words."""
    state = message.standing
    parts: list[str] = []
    if state.failure is not None and state.latest_status in FAILED:
        parts.append(" ".join(str(part) for part in (state.failure.code, state.failure.title) if part))
    if state.conflict:
        code = f" ({state.failure.code})" if state.failure and state.failure.code else ""
        parts.append(f"WhatsApp also reported an error{code}")
    members = {entry.participant for entry in message.history if entry.participant}
    if members:
        reached = {entry.participant for entry in message.history if entry.status == state.latest_status}
        parts.append(f"{len(reached & members)} of {len(members)} members")
    if message.template is not None:
        parts.append(message.template.name)
    if message.attributes.callback_data:
        parts.append(message.attributes.callback_data)
    return " · ".join(parts)


def sentence(message: Message, zone: tzinfo) -> str:
    """Where a message stands, as one would say it: ``Delivered 2026-11-22 14:03, not read yet``."""
    state = message.standing
    when = format_timestamp(state.latest_timestamp, zone) or "at an unknown time"
    status = state.latest_status
    ending = {"sent": ", not delivered yet", "delivered": ", not read yet"}.get(status, "")
    text = f"{status.capitalize()} {when}{ending}"
    if status in FAILED and state.failure is not None:
        reason = (state.failure.details or state.failure.title or "no reason given").rstrip(".")
        text += f": {reason}" + (f" ({state.failure.code})" if state.failure.code else "")
    elif state.conflict:
        code = f" ({state.failure.code})" if state.failure and state.failure.code else ""
        text += f", although WhatsApp also reported an error{code}"
    return text.rstrip(".") + "."


def write_message(message: Message, zone: tzinfo, stream: TextIO) -> None:
    """One message for people: where it stands, whose it is, and its timeline with repeated statuses shown once."""
    out = console(stream)
    known = message.attributes
    out.print(Text.assemble(tick(message.standing.latest_status, stream), "  ", sentence(message, zone)))
    facts = {
        "message": message.message_id,
        "to": known.conversation_id or known.recipient_user_id,
        "from": known.display_phone_number or known.phone_number_id,
        "template": message.template and " ".join(filter(None, (message.template.name, message.template.language))),
        "campaign": known.callback_data,
        "workflow": message.standing.workflow_id or None,
        "sent by": message.sent_by and f"{message.sent_by.node} (execution {message.sent_by.execution_id})",
        "n8n": known.instance,
    }
    for name, value in facts.items():
        if value:
            out.print(Text.assemble((f"{name:>9}  ", "dim"), str(value)))
    out.print()
    table = Table(box=None, pad_edge=False, show_header=False)
    for column in ("time", "status", "who", "seen", "execution"):
        table.add_column(column, no_wrap=column != "execution")
    times = "\N{MULTIPLICATION SIGN}" if can_show(stream, "\N{MULTIPLICATION SIGN}") else "x"
    for entry, copies in _timeline(message.history):
        made_up = " (when n8n ran)" if entry.timestamp_source == "execution" else ""
        table.add_row(
            (format_timestamp(entry.timestamp, zone) or "no time") + made_up,
            tick(entry.status, stream),
            entry.participant or "",
            f"seen {len(copies)}{times}" if len(copies) > 1 else "",
            Text("execution " + ", ".join(copies), style="dim"),
        )
        for error in entry.errors or ():
            text = " ".join(str(error[name]) for name in ("code", "title") if error.get(name))
            details = error.get("details")
            table.add_row("", Text(text, style="red"), "", "", str(details or ""))
    out.print(table)


def _timeline(history: Iterable[HistoryEntry]) -> Iterator[tuple[HistoryEntry, list[str]]]:
    """Entries that say the same thing once, with the executions that said it."""
    for _, same in itertools.groupby(history, key=lambda entry: (entry.timestamp, entry.status)):
        by_member: dict[str | None, list[HistoryEntry]] = {}
        for entry in same:
            by_member.setdefault(entry.participant, []).append(entry)
        for copies in by_member.values():
            yield copies[0], [entry.execution_id for entry in copies]
