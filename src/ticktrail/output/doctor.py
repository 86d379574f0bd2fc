"""Findings → a page for people, or a document for programs."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Sequence
from typing import Any, TextIO

from rich.text import Text

from ticktrail.health.checks import Finding, Severity
from ticktrail.output.documents import can_show
from ticktrail.output.terminal import console

_MARKS = {Severity.OK: "✓", Severity.WARNING: "!", Severity.FAULT: "✗", Severity.UNKNOWN: "?"}
_ASCII_MARKS = {Severity.OK: "v", Severity.WARNING: "!", Severity.FAULT: "x", Severity.UNKNOWN: "?"}
_STYLES = {Severity.OK: "green", Severity.WARNING: "yellow", Severity.FAULT: "bold red", Severity.UNKNOWN: "dim"}
_IN_ASCII = str.maketrans({"→": "->", "…": "...", "–": "-", "“": '"', "”": '"', "’": "'"})  # noqa: RUF001

_NARROWEST = 40


def verdict_of(findings: Sequence[Finding]) -> str:
    """The whole in one sentence."""
    needing = sum(finding.needs_attention for finding in findings)
    unknown = sum(finding.severity is Severity.UNKNOWN for finding in findings)
    unseen = f"{unknown} {'thing' if unknown == 1 else 'things'} could not be looked at"
    if needing:
        return f"{needing} {'thing needs' if needing == 1 else 'things need'} you{f'; {unseen}' if unknown else ''}."
    return f"Nothing needs you, but {unseen}." if unknown else "Everything is in order."


def write_text(findings: Sequence[Finding], stream: TextIO) -> None:
    """The verdict, then a line for each check, with its remedy below where there is one."""
    fancy = can_show(stream, "✓✗→")
    out = console(stream)
    print_line = functools.partial(out.print, soft_wrap=True)
    print_line(Text(verdict_of(findings), style="bold"))
    print_line()
    names = max((len(finding.name) for finding in findings), default=0)
    marks = _MARKS if fancy else _ASCII_MARKS
    width = max(out.width - names - 5, _NARROWEST)
    for finding in findings:
        head = Text.assemble((marks[finding.severity], _STYLES[finding.severity]), f"  {finding.name:<{names}}  ")
        for line in _wrapped(_shown(finding.says, fancy=fancy), width):
            print_line(Text.assemble(head, line))
            head = Text(" " * (names + 5))
        for line in _wrapped(_shown(f"→ {finding.remedy}" if finding.remedy else "", fancy=fancy), width):
            print_line(Text.assemble(head, (line, "cyan")))


def _wrapped(text: str, width: int) -> list[str]:
    """A sentence in lines; an address or a path is never broken, so that it can be copied."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def to_report(findings: Sequence[Finding]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "inOrder": not any(finding.needs_attention for finding in findings),
        "verdict": verdict_of(findings),
        "checks": [
            {
                "name": finding.name,
                "verdict": finding.severity.value,
                "says": finding.says,
                "remedy": finding.remedy or None,
                "workflowId": finding.workflow_id,
            }
            for finding in findings
        ],
    }


def _shown(text: str, *, fancy: bool) -> str:
    """What a server said may hold anything: only what can be printed goes to the terminal."""
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if fancy else text.translate(_IN_ASCII)
