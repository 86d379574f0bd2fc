"""Write the findings of ``doctor``: a page for people, or a document for programs."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Sequence
from typing import Any, TextIO

from rich.text import Text

from ticktrail.health.checks import Finding, Severity
from ticktrail.output.documents import can_show
from ticktrail.output.terminal import console
from ticktrail.text.formatting import plural
from ticktrail.text.sanitizing import one_line

_MARKS = {Severity.OK: "✓", Severity.WARNING: "!", Severity.FAULT: "✗", Severity.UNKNOWN: "?"}
_ASCII_MARKS = {Severity.OK: "v", Severity.WARNING: "!", Severity.FAULT: "x", Severity.UNKNOWN: "?"}
_STYLES = {Severity.OK: "green", Severity.WARNING: "yellow", Severity.FAULT: "bold red", Severity.UNKNOWN: "dim"}
_IN_ASCII = str.maketrans({"→": "->", "…": "...", "–": "-", "“": '"', "”": '"', "’": "'"})  # noqa: RUF001

_NARROWEST = 40
_LONGEST = 2_000


def headline(findings: Sequence[Finding]) -> str:
    """Return the result of all checks in one sentence."""
    problems = sum(finding.needs_attention for finding in findings)
    unknown = sum(finding.severity is Severity.UNKNOWN for finding in findings)
    text = plural(problems, "problem") if problems else "No problems" if unknown else "Everything is in order"
    return f"{text}; {plural(unknown, 'check')} not possible." if unknown else f"{text}."


def write_text(findings: Sequence[Finding], stream: TextIO) -> None:
    """Write the result, then a line for each check, with its remedy below if there is one."""
    fancy = can_show(stream, "✓✗→")
    out = console(stream)
    print_line = functools.partial(out.print, soft_wrap=True)
    print_line(Text(headline(findings), style="bold"))
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
    """Wrap a sentence. Addresses and paths are never broken, so that they can be copied."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def to_report(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "inOrder": not any(finding.needs_attention for finding in findings),
        "verdict": headline(findings),
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
    """Replace control characters, which a server may have sent, and characters that the stream cannot show."""
    text = one_line(text, _LONGEST)
    return text if fancy else text.translate(_IN_ASCII)
