"""Walks through JSON text by position, so that a part can be cut out of it exactly as it was written.

It takes what ``msgspec`` refuses and Node writes (lone surrogates), and a text that breaks off gives all that stands
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
    """A position in a JSON text. Every method starts at ``position`` and leaves it behind what it read.

    Methods raise :class:`ValueError` with the reason where the text is no JSON; the text itself is not repeated.
    """

    def __init__(self, text: str, position: int = 0) -> None:
        self.text = text
        self.position = position

    @property
    def line(self) -> int:
        """The line the position is in, counted from 1."""
        return self.text.count("\n", 0, self.position) + 1

    def peek(self) -> str:
        """The next character that is no white space; empty at the end. The position is then on it."""
        found = _SPACE.match(self.text, self.position)
        self.position = found.end() if found else self.position
        return self.text[self.position : self.position + 1]

    def value(self) -> Any:
        """Read a whole value."""
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
        """Step through an array: gives where each element starts. Whoever asks must read it before the next step."""
        yield from self._steps("[", "]")

    def members(self) -> Iterator[str]:
        """Step through an object: gives each key, standing before its value, which must be read before going on."""
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
