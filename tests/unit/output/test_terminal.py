"""The console that tables are written to."""

from __future__ import annotations

import io

import pytest
from rich.table import Table
from rich.text import Text

from ticktrail.output.terminal import console

HOSTILE = "a\x1b[31mb\x9b31mc\u202ed\x85e\rf\u2066g"


@pytest.mark.parametrize(
    "text", [Text(HOSTILE), HOSTILE, Text.assemble("x ", (HOSTILE, "red"))], ids=["text", "plain", "parts"]
)
def test_no_control_character_of_a_text_reaches_a_terminal(text: str | Text) -> None:
    """Escape sequences and marks of direction are replaced, also in cells; the letters around them stay."""
    stream = io.StringIO()
    table = Table("heading")
    table.add_row(text)
    console(stream).print(table)
    console(stream).print(text)

    written = stream.getvalue()
    assert not set("\x1b\x9b\u202e\x85\r\u2066") & set(written)
    assert set("abcdefg") <= set(written)
