"""Write sends, accepted and refused: a table for people, documents and CSV for programs."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator, Mapping
from datetime import tzinfo
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ticktrail.messages.document import send_to_document
from ticktrail.messages.error_codes import Catalogue
from ticktrail.messages.failure_text import read_failure, reported_details, short_reason
from ticktrail.messages.model import Send
from ticktrail.output.documents import write_documents
from ticktrail.output.messages import harmless
from ticktrail.output.terminal import console, print_indented
from ticktrail.text.formatting import date_time
from ticktrail.text.sanitizing import one_line

_NO_NAMES: Mapping[str, str] = {}

_WITH_REASONS = 110
"""Columns of a terminal below which a column of reasons would have too few."""

_NARROWEST = 72
"""Columns of a terminal that the table needs without reasons."""

SEND_COLUMNS = (
    "sentAt",
    "messageId",
    "conversation_id",
    "input",
    "status",
    "rejected",
    "errorCode",
    "errorTitle",
    "errorDetails",
    "template",
    "templateLanguage",
    "workflowId",
    "node",
    "executionId",
    "instance",
)


def write_sends(
    sends: Iterable[Send],
    form: str,
    zone: tzinfo,
    stream: TextIO,
    *,
    catalogue: Catalogue,
    workflows: Mapping[str, str] = _NO_NAMES,
) -> int:
    """Write sends in one of :data:`ticktrail.output.messages.FORMATS`; all but tables as they come, in flat memory.

    Args:
        workflows: names of workflows by id, for tables.

    Returns:
        how many were written.
    """
    counter = itertools.count()
    counted = (send for send, _ in zip(sends, counter, strict=False))
    if form == "table":
        _write_table(counted, zone, stream, catalogue, workflows)
    elif form == "csv":
        writer = csv.DictWriter(stream, SEND_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {name: harmless(value) for name, value in flat_send(send_to_document(send, zone)).items()}
            for send in counted
        )
    else:
        write_documents((send_to_document(send, zone) for send in counted), form, stream)
    return next(counter)


def why_refused(send: Send, catalogue: Catalogue) -> str:
    """Return why Meta refused a send: code and title of the catalogue, and Meta's details, for each error."""
    failures = map(read_failure, send.errors or ())
    return "; ".join(
        ": ".join(filter(None, (short_reason(failure, catalogue), reported_details(failure)))) for failure in failures
    )


def flat_send(document: dict[str, Any]) -> dict[str, Any]:
    """Return a send's document by :data:`SEND_COLUMNS`; its date as ISO 8601 with offset."""
    error = document["errors"][0] if document.get("errors") else {}
    template, sender, sent_at = document.get("template") or {}, document["sentBy"], document.get("sentAt")
    return {
        **{name: document.get(name) for name in ("messageId", "conversation_id", "input", "status", "instance")},
        "sentAt": None if sent_at is None else sent_at.isoformat(timespec="milliseconds"),
        "rejected": document.get("rejected", False),
        "errorCode": error.get("code"),
        "errorTitle": error.get("title") or error.get("message"),
        "errorDetails": error.get("details"),
        "template": template.get("name"),
        "templateLanguage": template.get("language"),
        "workflowId": sender["workflowId"],
        "node": sender["node"],
        "executionId": sender["executionId"],
    }


def _write_table(
    sends: Iterator[Send], zone: tzinfo, stream: TextIO, catalogue: Catalogue, workflows: Mapping[str, str]
) -> None:
    shown = list(sends)
    if not shown:
        return
    reasons = any(send.errors for send in shown)
    out = console(stream)
    if out.width < (_WITH_REASONS if reasons else _NARROWEST):
        for send in shown:
            _write_block(send, zone, out, catalogue, workflows)
        return
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for column in ("time", "to", "answer"):
        table.add_column(column, no_wrap=True)
    # Where it is narrow, these give way, the reason last: a cell that may not wrap in a column that may.
    for column in ("template", "sent by"):
        table.add_column(column, max_width=24 if reasons else None)
    if reasons:
        table.add_column("why", overflow="fold")
    for send in shown:
        # Without the node where there is something to explain: the line is long enough.
        sender = (_workflow(send, workflows),) if reasons else (_workflow(send, workflows), one_line(send.sent_by.node))
        table.add_row(
            *_answer(send, zone),
            *(Text(text, no_wrap=True, overflow="ellipsis") for text in (_template(send), " ".join(sender))),
            *([Text(why_refused(send, catalogue))] if reasons else []),
        )
    out.print(table)


def _write_block(send: Send, zone: tzinfo, out: Console, catalogue: Catalogue, workflows: Mapping[str, str]) -> None:
    """Write a send on a line, and what belongs to it below."""
    out.print(Text("  ").join(_answer(send, zone)))
    below = ", ".join(filter(None, (_template(send), _workflow(send, workflows))))
    print_indented(out, Text(below))
    if send.errors:
        print_indented(out, Text(why_refused(send, catalogue)))


def _answer(send: Send, zone: tzinfo) -> tuple[Text, Text, Text]:
    """Return when a message was sent, to whom, and Meta's answer."""
    return (
        Text("no time" if send.sent_at is None else date_time(send.sent_at.astimezone(zone))),
        Text(one_line(send.conversation_id or send.input or "unknown")),
        Text(
            "refused" if send.rejected else one_line(send.status, 32), style="bold red" if send.rejected else "default"
        ),
    )


def _template(send: Send) -> str:
    template = send.template
    return one_line("/".join(filter(None, (template.name, template.language)))) if template else ""


def _workflow(send: Send, workflows: Mapping[str, str]) -> str:
    return one_line(workflows.get(send.sent_by.workflow_id, send.sent_by.workflow_id), 60)
