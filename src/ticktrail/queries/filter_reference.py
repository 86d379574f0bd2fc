"""The table of filter conditions as Markdown, for ``docs/reference.md``."""

from __future__ import annotations

from typing import Any

from ticktrail.queries.condition import Condition


def reference_table(conditions: tuple[Condition[Any], ...]) -> str:
    """Return a Markdown table with every name of every condition."""
    lines = ["| condition | option | API parameter | in a page's address |", "|---|---|---|---|"]
    for condition in conditions:
        cells = (
            condition.help.replace("|", "\\|"),
            ", ".join(_code(name) for name in (condition.argument, *condition.options) if name) or "no",
            _code(condition.name) if condition.in_api else "no",
            _code(condition.address) if condition.address else "no",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _code(name: str) -> str:
    return f"`{name}`"
