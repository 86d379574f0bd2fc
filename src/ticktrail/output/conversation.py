"""Write a conversation: a screen with ticks for people, documents for programs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from typing import Any, TextIO

from rich.table import Table
from rich.text import Text

from ticktrail.messages.conversation import Turn
from ticktrail.messages.document import format_timestamp
from ticktrail.messages.error_codes import Catalogue
from ticktrail.output.documents import can_show, write_documents
from ticktrail.output.messages import harmless, remark
from ticktrail.output.terminal import console, tick
from ticktrail.text.sanitizing import one_line

_COLUMNS = (
    "timestamp",
    "timestampFormatted",
    "direction",
    "text",
    "media",
    "messageId",
    "latestStatus",
    "latestTimestamp",
    "latestTimestampFormatted",
)


def write_thread(
    turns: Sequence[Turn],
    form: str,
    zone: tzinfo,
    stream: TextIO,
    catalogue: Catalogue,
    campaign_key: str | None = None,
) -> None:
    """Write a conversation, oldest first, in one of :data:`ticktrail.output.messages.FORMATS`."""
    if form == "table":
        _write_table(turns, zone, stream, catalogue, campaign_key)
    elif form == "csv":
        writer = csv.DictWriter(stream, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: harmless(value) for name, value in turn_document(turn, zone).items()} for turn in turns)
    else:
        write_documents((turn_document(turn, zone) for turn in turns), form, stream)


def _write_table(
    turns: Iterable[Turn], zone: tzinfo, stream: TextIO, catalogue: Catalogue, campaign_key: str | None
) -> None:
    arrows = {True: "→", False: "←", None: "·"} if can_show(stream, "→←·") else {True: ">", False: "<", None: "-"}
    table = Table(box=None, pad_edge=False, show_header=False)
    for column in ("time", "way", "status"):
        table.add_column(column, no_wrap=True)
    table.add_column("said", overflow="fold")
    for turn in turns:
        parts = [] if turn.media is None else [Text(f"[{one_line(turn.media, 60)}]", style="dim")]
        if turn.text:
            parts.append(Text(one_line(turn.text, 2_000)))
        if turn.message is not None:
            about = remark(turn.message, catalogue, campaign_key)
            parts.append(Text(one_line(f"({about})" if about else "" if turn.text else "(text not kept)"), style="dim"))
        table.add_row(
            format_timestamp(turn.timestamp, zone) or "no time",
            arrows[turn.outbound],
            tick(turn.message.state.latest_status, stream) if turn.message is not None else "",
            Text(" ").join(part for part in parts if part),
        )
    console(stream).print(table)


def turn_document(turn: Turn, zone: tzinfo) -> dict[str, Any]:
    """Return a turn for programs."""
    state = None if turn.message is None else turn.message.state
    latest = None if state is None else state.latest_timestamp
    values = (
        turn.timestamp,
        format_timestamp(turn.timestamp, zone),
        {True: "outbound", False: "inbound", None: None}[turn.outbound],
        turn.text,
        turn.media,
        turn.message_id,
        None if state is None else state.latest_status,
        latest,
        format_timestamp(latest, zone),
    )
    return dict(zip(_COLUMNS, values, strict=True))
