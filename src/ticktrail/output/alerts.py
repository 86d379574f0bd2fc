"""Alerts → text for people and documents for programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from typing import TextIO

from rich.console import Console
from rich.text import Text

from ticktrail.alerts.documents import command_of, headline
from ticktrail.alerts.service import OpenAlerts
from ticktrail.output.documents import can_show
from ticktrail.output.terminal import console, print_indented
from ticktrail.stores.alert_state import AlertRecord
from ticktrail.text.formatting import recent_time
from ticktrail.text.sanitizing import one_line


def write_alerts(
    found: OpenAlerts,
    remembered: Sequence[AlertRecord],
    *,
    now: datetime,
    zone: tzinfo,
    stream: TextIO,
    as_typed: Callable[[str], str] = str,
) -> None:
    """Write how many alerts are open and what was checked, then a block for each alert; acknowledged ones last.

    Args:
        as_typed: makes a command into what the user can type.
    """
    out = console(stream)
    marks = {"urgent": "✗", "warning": "!"} if can_show(stream, "✗✓") else {"urgent": "x", "warning": "!"}
    known = {one.key: one for one in remembered if one.acknowledged_at is not None and one.resolved_at is None}
    ordered = sorted(found.alerts, key=lambda alert: alert.key in known)
    count = sum(alert.key not in known for alert in found.alerts)
    out.print(Text(f"{headline(count, len(found.alerts) - count)}.", style="bold"))
    out.print(Text(found.checked, style="dim"))
    for alert in ordered:
        one = known.get(alert.key)
        style = "dim" if one else "bold red" if alert.urgency == "urgent" else "yellow"
        out.print()
        title = Text(_simple(alert.title, stream), style="dim" if one else "bold").wrap(out, out.width - 2)
        out.print(Text.assemble((f"{marks[alert.urgency]} ", style), title[0]), soft_wrap=True)
        for line in title[1:]:
            out.print(Text.assemble("  ", line), soft_wrap=True)
        print_indented(out, Text(_simple(alert.says, stream)))
        remedy, _, command = alert.remedy.partition(": ticktrail ")
        print_indented(out, Text(_simple(as_typed(f"{remedy}:" if command else remedy), stream)))
        if command:
            _print_command(out, as_typed(f"ticktrail {command}"))
        if alert.listing is not None:
            _print_command(out, as_typed(command_of(alert.listing, zone)))
        last = f"key {alert.key}"
        if one is not None and one.acknowledged_at is not None:
            by = f" by {one_line(one.acknowledged_by)}" if one.acknowledged_by else ""
            note = f": {one_line(one.note)}" if one.note else ""
            when = recent_time(int(one.acknowledged_at.timestamp()), now, zone)
            last = f"key {alert.key}, acknowledged{by} {when}{note}"
        print_indented(out, Text(last, style="dim"))


def write_lines(title: str, lines: Sequence[str], stream: TextIO) -> None:
    """Write a report: its title, and its lines with their labels."""
    out = console(stream)
    out.print(Text(title, style="bold"))
    for line in lines:
        name, _, text = _simple(line, stream).partition(": ")
        print_indented(out, Text.assemble((f"{name}: ", "dim"), text))


def _print_command(out: Console, command: str) -> None:
    """Write a command on one line, so that it can be copied."""
    out.print(Text(f"  {command}", style="cyan"), soft_wrap=True)


def _simple(text: str, stream: TextIO) -> str:
    """Replace our own signs that a stream cannot show."""
    if can_show(stream, "—≥•…“”"):
        return text
    for fancy, simple in (("—", "-"), ("≥", ">="), ("•", "*"), ("…", "..."), ("“", '"'), ("”", '"')):
        text = text.replace(fancy, simple)
    return text
