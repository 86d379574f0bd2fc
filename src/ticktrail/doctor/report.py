"""Findings → a page for people, or a document for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TextIO

from rich.table import Table
from rich.text import Text

from ticktrail.checks import Finding, Verdict
from ticktrail.render import can_show, console

_MARKS = {Verdict.OK: "✓", Verdict.WARNING: "!", Verdict.FAULT: "✗", Verdict.UNKNOWN: "?"}
_ASCII_MARKS = {Verdict.OK: "v", Verdict.WARNING: "!", Verdict.FAULT: "x", Verdict.UNKNOWN: "?"}
_STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAULT: "bold red", Verdict.UNKNOWN: "dim"}
_IN_ASCII = str.maketrans({"→": "->", "…": "...", "–": "-", "“": '"', "”": '"', "’": "'"})  # noqa: RUF001


def verdict_of(findings: Sequence[Finding]) -> str:
    """The whole in one sentence."""
    needing = sum(finding.needs_you for finding in findings)
    unknown = sum(finding.verdict is Verdict.UNKNOWN for finding in findings)
    unseen = f"{unknown} {'thing' if unknown == 1 else 'things'} could not be looked at"
    if needing:
        return f"{needing} {'thing needs' if needing == 1 else 'things need'} you{f'; {unseen}' if unknown else ''}."
    return f"Nothing needs you, but {unseen}." if unknown else "Everything is in order."


def write_text(findings: Sequence[Finding], stream: TextIO) -> None:
    """The verdict, then a line for each check, with its remedy below where there is one."""
    fancy = can_show(stream, "✓✗→")
    out = console(stream)
    out.print(Text(verdict_of(findings), style="bold"))
    out.print()
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        text = Text(_shown(finding.says, fancy=fancy))
        if finding.remedy:
            text.append(_shown(f"\n→ {finding.remedy}", fancy=fancy), style="cyan")
        marks = _MARKS if fancy else _ASCII_MARKS
        table.add_row(Text(marks[finding.verdict], style=_STYLES[finding.verdict]), Text(finding.name), text)
    out.print(table)


def to_report(findings: Sequence[Finding]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "inOrder": not any(finding.needs_you for finding in findings),
        "verdict": verdict_of(findings),
        "checks": [
            {
                "name": finding.name,
                "verdict": finding.verdict.value,
                "says": finding.says,
                "remedy": finding.remedy or None,
                "workflowId": finding.workflow_id,
            }
            for finding in findings
        ],
    }


def _shown(text: str, *, fancy: bool) -> str:
    """What a server said may hold anything: only what can be printed goes to the terminal."""
    text = "".join(character if character.isprintable() or character == "\n" else " " for character in text)
    return text if fancy else text.translate(_IN_ASCII)
