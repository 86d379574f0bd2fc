"""Scan JSON text by position, so that a part can be cut out of it exactly as it was written.

The scanner accepts lone surrogates, which Node writes and ``msgspec`` refuses. A text that breaks off yields everything
before the break.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_SPACE = re.compile(r"[ \t\r\n]*")
_decode = json.JSONDecoder(strict=False).raw_decode


class Scanner:
    """A position in a JSON text. Every method starts at ``position`` and moves it behind what it read.

    Methods raise :class:`ValueError` with the reason where the text is not JSON, without repeating the text.
    """

    def __init__(self, text: str, position: int = 0) -> None:
        self.text = text
        self.position = position

    @property
    def line(self) -> int:
        """Line number of the position, counted from 1."""
        return self.text.count("\n", 0, self.position) + 1

    def peek(self) -> str:
        """Move to the next character that is not white space and return it; empty at the end."""
        found = _SPACE.match(self.text, self.position)
        self.position = found.end() if found else self.position
        return self.text[self.position : self.position + 1]

    def value(self) -> Any:
        """Read a value and return it decoded."""
        self.peek()
        try:
            value, self.position = _decode(self.text, self.position)
        except json.JSONDecodeError as error:
            self.position = error.pos
            raise ValueError(error.msg) from None
        except RecursionError:
            raise ValueError("nested too deeply") from None
        return value

    def elements(self) -> Iterator[int]:
        """Yield where each element of an array starts. The caller must read the element before the next step."""
        yield from self._steps("[", "]")

    def members(self) -> Iterator[str]:
        """Yield each key of an object, with the position before its value, which the caller must read."""
        for _ in self._steps("{", "}"):
            if self.peek() != '"':
                raise ValueError("Expecting property name enclosed in double quotes")
            key = self.value()
            self._take(":")
            self.peek()
            yield key

    def _steps(self, opening: str, closing: str) -> Iterator[int]:
        self._take(opening)
        if self.peek() == closing:
            self.position += 1
            return
        while True:
            self.peek()
            yield self.position
            if self._take(f",{closing}") == closing:
                return

    def _take(self, wanted: str) -> str:
        character = self.peek()
        if not character or character not in wanted:
            raise ValueError("the text ends too soon" if not character else f"Expecting {' or '.join(wanted)}")
        self.position += 1
        return character
