"""Records → text: tables with ticks for people, JSON, JSON Lines and CSV for programs.

Nothing here opens a file or knows a store. Writers take the stream they write to; what a stream's encoding cannot
show is shown in ASCII.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any, TextIO

from rich.table import Table
from rich.text import Text

from ticktrail.messages.campaign import campaign_of
from ticktrail.messages.counts import message_time
from ticktrail.messages.document import format_timestamp, to_document
from ticktrail.messages.error_codes import Catalogue, Code, packaged, plain_code
from ticktrail.messages.failure_text import (
    conflict_text,
    failure_clause,
    read_failure,
    reported_details,
    retry_text,
    short_reason,
)
from ticktrail.messages.model import FAILED, HistoryEntry, Message, SentBy
from ticktrail.output.documents import _json_value, can_show, write_documents
from ticktrail.output.terminal import console, facts_grid, tick
from ticktrail.text.sanitizing import one_line, without_controls

FORMATS = ("table", "json", "jsonl", "csv")


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


_FORMULA_SIGNS = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""First characters of a formula; Excel also accepts the full-width forms."""

_ABOUT_WIDTH = 28
"""Columns of a terminal that hold a code and most titles."""

_ID_WIDTH = 48
"""Columns of a terminal that a message id may have; most need fewer."""

_SHORTEST_ID = 13
"""Columns of a terminal that hold enough of an id's ending to name one message."""


def write_messages(
    messages: Iterable[Message],
    form: str,
    zone: tzinfo,
    stream: TextIO,
    catalogue: Catalogue | None = None,
    campaign_key: str | None = None,
) -> int:
    """Write messages in one of :data:`FORMATS`; JSON, JSON Lines and CSV as they come, in flat memory.

    Args:
        catalogue: reasons of a table; the packaged one by default.
        campaign_key: see :func:`ticktrail.messages.campaign.campaign_of`.

    Returns:
        how many were written.
    """
    counted = _Counted(messages)
    if form == "table":
        _write_table(counted, zone, stream, catalogue or packaged(), campaign_key)
    elif form == "csv":
        _write_csv(counted, zone, stream)
    else:
        write_documents((to_document(message, zone) for message in counted), form, stream)
    return counted.count


class _Counted:
    """An iterable that counts what it yielded."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self.count = 0
        self._messages = messages

    def __iter__(self) -> Iterator[Message]:
        for message in self._messages:
            self.count += 1
            yield message


def _write_csv(messages: Iterable[Message], zone: tzinfo, stream: TextIO) -> None:
    writer = csv.DictWriter(stream, CSV_COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for message in messages:
        writer.writerow(csv_row(to_document(message, zone)))


def flat(document: dict[str, Any]) -> dict[str, Any]:
    """Return a message's document by :data:`CSV_COLUMNS`, and more; dates as ISO 8601 with offset."""
    failure = document.get("failure") or {}
    template = document.get("template") or {}
    return {
        **{name: _json_value(value) if isinstance(value, datetime) else value for name, value in document.items()},
        "failureCode": failure.get("code"),
        "failureTitle": failure.get("title"),
        "failureDetails": failure.get("details"),
        "template": template.get("name"),
        "templateLanguage": template.get("language"),
        "statuses": " ".join(entry["status"] for entry in document["statusHistory"]),
    }


def csv_row(document: dict[str, Any]) -> dict[str, Any]:
    """Return the same as :func:`flat`, without anything that a spreadsheet reads as a formula."""
    return {name: harmless(value) for name, value in flat(document).items()}


def harmless(value: object) -> object:
    """Return a cell that no spreadsheet reads as a formula, no terminal obeys and no reader takes for two rows."""
    if isinstance(value, str):
        # Python's csv writer does not quote a lone carriage return, which readers take for the end of the row.
        value = without_controls(value).replace("\r\n", "\n").replace("\r", "\n")
    if isinstance(value, str) and value[:1] in _FORMULA_SIGNS:
        return "'" + value
    return value


def _write_table(
    messages: Iterable[Message], zone: tzinfo, stream: TextIO, catalogue: Catalogue, campaign_key: str | None
) -> None:
    """Write a table: time sent, recipient, status, a remark, and the message id or its ending.

    Where there is room, a status has its own time.
    """
    found = list(messages)
    if not found:
        return
    out = console(stream)
    rows = [_row(message, zone, stream, catalogue, campaign_key) for message in found]
    if out.width - _width(rows, 3) < _ABOUT_WIDTH + _SHORTEST_ID:
        rows = [
            (*row[:2], tick(one.state.latest_status, stream), *row[3:]) for row, one in zip(rows, found, strict=True)
        ]
    widest = [max(len(row[place]) for row in rows) for place in (3, 4)]
    left = out.width - _width(rows, 3)
    about = max(len("about"), min(widest[0], _ABOUT_WIDTH, left - _SHORTEST_ID))
    if left < about + _SHORTEST_ID:
        # Too narrow for a table: a message takes several lines.
        for row in rows:
            out.print(Text("  ").join(row[:3]))
            if row[3]:
                out.print(Text("  ") + row[3], no_wrap=True, overflow="ellipsis")
            out.print(Text("  " + _ending(row[4], out.width - 2)), no_wrap=True)
        return
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for name in ("sent", "to", "status"):
        table.add_column(name, no_wrap=True)
    id_width = min(widest[1], _ID_WIDTH, left - about)
    table.add_column("about", max_width=left - id_width)
    table.add_column("message", no_wrap=True)
    for row in rows:
        table.add_row(*row[:4], _ending(row[4], id_width))
    out.print(table)


_Row = tuple[Text, Text, Text, Text, str]


def _row(message: Message, zone: tzinfo, stream: TextIO, catalogue: Catalogue, campaign_key: str | None) -> _Row:
    return (
        Text(format_timestamp(message_time(message.state), zone) or "no time"),
        Text(one_line(message.attributes.conversation_id or message.attributes.recipient_user_id or "unknown", 24)),
        _status(message, zone, stream),
        _one_line(remark(message, catalogue, campaign_key)),
        one_line(message.message_id),
    )


def _width(rows: list[_Row], columns: int) -> int:
    """Return the width of the first columns, with the space between all five."""
    return sum(max(len(row[place]) for row in rows) for place in range(columns)) + 8


def _status(message: Message, zone: tzinfo, stream: TextIO) -> Text:
    """Return the latest status and its time where it is later than the time sent; the date only if it differs."""
    state = message.state
    sent, latest = (format_timestamp(one, zone) or "" for one in (message_time(state), state.latest_timestamp))
    when = "" if latest == sent else f" {latest[11:] if latest[:10] == sent[:10] else latest[5:]}"
    return tick(state.latest_status, stream) + Text(when, style="dim")


def _ending(message_id: str, width: int) -> str:
    """Return a message id, or an ending that fits; ``ticktrail message`` accepts an ending."""
    return message_id if len(message_id) <= width else f"…{message_id[1 - width :]}"


def _one_line(text: str) -> Text:
    return Text(one_line(text), no_wrap=True, overflow="ellipsis")


def remark(message: Message, catalogue: Catalogue, campaign_key: str | None = None) -> str:
    """Return remarks on a message, in a few words."""
    state = message.state
    parts: list[str] = []
    if state.latest_status in FAILED:
        parts.append(short_reason(state.failure, catalogue))
    if state.conflict:
        parts.append(f"{state.latest_status}, {conflict_text(state.failure.code if state.failure else None)}")
    members = {entry.participant for entry in message.history if entry.participant}
    if members:
        reached = {entry.participant for entry in message.history if entry.status == state.latest_status}
        parts.append(f"{len(reached & members)} of {len(members)} members")
    if message.template is not None:
        parts.append(message.template.name)
    if campaign := campaign_of(message.attributes.callback_data, campaign_key):
        parts.append(campaign)
    return " · ".join(parts)


def sentence(message: Message, zone: tzinfo, catalogue: Catalogue) -> str:
    """Return the state of a message in words: ``Delivered 2026-11-22 14:03, not read yet``."""
    state = message.state
    when = format_timestamp(state.latest_timestamp, zone) or "at an unknown time"
    status = one_line(state.latest_status, 40)
    ending = {"sent": "not delivered yet", "delivered": "not read yet"}.get(status)
    text = f"{status.capitalize()} {when}"
    if status in FAILED:
        text += f": {failure_clause(state.failure, catalogue)}"
    elif state.conflict:
        text += f", {conflict_text(state.failure.code if state.failure else None)}" + (f"; {ending}" if ending else "")
    elif ending:
        text += f", {ending}"
    return text.rstrip(".") + "."


def write_message(
    message: Message,
    zone: tzinfo,
    stream: TextIO,
    catalogue: Catalogue | None = None,
    campaign_key: str | None = None,
    workflows: Mapping[str, str] | None = None,
) -> None:
    """Write one message for people: its state, why it failed and what to do, its fields and its timeline."""
    catalogue = catalogue or packaged()
    out = console(stream)
    known, template, sender = message.attributes, message.template, message.sent_by
    out.print(Text.assemble(tick(message.state.latest_status, stream), "  ", sentence(message, zone, catalogue)))
    out.print(
        facts_grid(
            {
                **_why(message, catalogue),
                "message": message.message_id,
                "to": known.conversation_id or known.recipient_user_id,
                "from": known.display_phone_number or known.phone_number_id,
                "template": " ".join(filter(None, (template.name, template.language))) if template else None,
                "campaign": campaign_of(known.callback_data, campaign_key),
                "workflow": _workflow(message.state.workflow_id, workflows),
                "sent by": _sender(sender, workflows) if sender else None,
                "n8n": known.instance,
            }
        )
    )
    out.print()
    out.print(_timeline_table(message, zone, stream, catalogue))


def _sender(sender: SentBy, names: Mapping[str, str] | None) -> str:
    workflow = _workflow(sender.workflow_id, names)
    return f"{sender.node} of {workflow}, execution {sender.execution_id}"


def _workflow(workflow_id: str | None, names: Mapping[str, str] | None) -> str | None:
    """Return a workflow's name with its id, or the id alone."""
    name = (names or {}).get(workflow_id or "")
    return f"{name} ({workflow_id})" if name else workflow_id or None


def _why(message: Message, catalogue: Catalogue) -> dict[str, str | None]:
    """Return the facts about a failure: what WhatsApp reported, what to do, whether to send again."""
    state = message.state
    if state.latest_status in FAILED:
        entry = catalogue.lookup(state.failure.code if state.failure else None)
        return {"WhatsApp": reported_details(state.failure), "advice": entry.advice, "again": retry_text(entry)}
    if state.conflict:
        return {
            "error": short_reason(state.failure, catalogue),
            "WhatsApp": reported_details(state.failure),
            "advice": "It arrived all the same: there is nothing to do.",
        }
    return {}


def _timeline_table(message: Message, zone: tzinfo, stream: TextIO, catalogue: Catalogue) -> Table:
    """Return the history: repeated statuses once, failures with their reasons, and advice that is not shown above."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for column in ("time", "status", "who", "seen"):
        table.add_column(column, no_wrap=True)
    table.add_column("execution", overflow="fold")
    state = message.state
    advised: set[Code | None] = {None}
    shown_details = {""}
    if state.failure and (state.conflict or state.latest_status in FAILED):
        advised.add(plain_code(state.failure.code))
        shown_details.add(reported_details(state.failure))
    times = "\N{MULTIPLICATION SIGN}" if can_show(stream, "\N{MULTIPLICATION SIGN}") else "x"
    for entry, copies in timeline(message.history):
        made_up = " (when n8n ran)" if entry.timestamp_source == "execution" else ""
        table.add_row(
            (format_timestamp(entry.timestamp, zone) or "no time") + made_up,
            tick(entry.status, stream),
            one_line(entry.participant or "", 32),
            f"seen {len(copies)}{times}" if len(copies) > 1 else "",
            Text("execution " + ", ".join(map(one_line, copies)), style="dim"),
        )
        for error in entry.errors or ():
            failure = read_failure(error)
            details = reported_details(failure)
            lines = [
                Text.assemble(
                    (short_reason(failure, catalogue), "red"), "" if details in shown_details else f": {details}"
                )
            ]
            if failure.code not in advised:
                lines.append(Text(catalogue.lookup(failure.code).advice))
            advised.add(failure.code)
            shown_details.add(details)
            for line in lines:
                table.add_row("", "", "", "", line)
    return table


def timeline(history: Iterable[HistoryEntry]) -> Iterator[tuple[HistoryEntry, list[str]]]:
    """Entries that say the same thing once, with the executions that said it."""
    for _, same in itertools.groupby(history, key=lambda entry: (entry.timestamp, entry.status)):
        by_member: dict[str | None, list[HistoryEntry]] = {}
        for entry in same:
            by_member.setdefault(entry.participant, []).append(entry)
        for copies in by_member.values():
            yield copies[0], [entry.execution_id for entry in copies]
