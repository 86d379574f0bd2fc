"""Alerts → text for people and documents for programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import TextIO

from rich.console import Console
from rich.text import Text

from ticktrail.alerts.alert import Alert
from ticktrail.alerts.documents import command_of, verdict
from ticktrail.output.documents import can_show
from ticktrail.output.terminal import console
from ticktrail.stores.alert_state import AlertRecord
from ticktrail.text.formatting import when
from ticktrail.text.sanitizing import one_line


def write_alerts(
    alerts: Sequence[Alert], remembered: Sequence[AlertRecord], *, now: datetime, zone: tzinfo, stream: TextIO
) -> None:
    """The verdict, then a block for each cause; acknowledged ones last."""
    out = console(stream)
    marks = {"urgent": "✗", "warning": "!"} if can_show(stream, "✗✓") else {"urgent": "x", "warning": "!"}
    known = {one.key: one for one in remembered if one.acknowledged_at is not None and one.resolved_at is None}
    ordered = sorted(alerts, key=lambda alert: alert.key in known)
    count = sum(alert.key not in known for alert in alerts)
    out.print(Text(verdict(count, len(alerts) - count), style="bold"))
    for alert in ordered:
        one = known.get(alert.key)
        style = "dim" if one else "bold red" if alert.urgency == "urgent" else "yellow"
        out.print()
        out.print(
            Text.assemble((f"{marks[alert.urgency]} ", style), (_simple(alert.title, stream), "dim" if one else "bold"))
        )
        for text in (alert.says, alert.remedy):
            _print_indented(out, Text(_simple(text, stream)))
        if alert.listing is not None:
            # Never broken, so that it can be copied.
            out.print(Text(f"  {command_of(alert.listing, zone)}", style="cyan"), soft_wrap=True)
        last = f"key {alert.key}"
        if one is not None and one.acknowledged_at is not None:
            note = f": {one_line(one.note)}" if one.note else ""
            last = f"key {alert.key}, known since {when(int(one.acknowledged_at.timestamp()), now, zone)}{note}"
        _print_indented(out, Text(last, style="dim"))


def write_lines(title: str, lines: Sequence[str], stream: TextIO) -> None:
    """A report: its title, and the lines with what they are about in front."""
    out = console(stream)
    out.print(Text(title, style="bold"))
    for line in lines:
        name, _, text = _simple(line, stream).partition(": ")
        _print_indented(out, Text.assemble((f"{name}: ", "dim"), text))


def _simple(text: str, stream: TextIO) -> str:
    """The text in characters that a stream can show, as far as we put them there."""
    if can_show(stream, "—≥•…“”"):
        return text
    for fancy, simple in (("—", "-"), ("≥", ">="), ("•", "*"), ("…", "..."), ("“", '"'), ("”", '"')):
        text = text.replace(fancy, simple)
    return text


def _print_indented(out: Console, text: Text) -> None:
    for line in text.wrap(out, out.width - 2):
        line.rstrip()
        out.print(Text.assemble("  ", line), soft_wrap=True)
