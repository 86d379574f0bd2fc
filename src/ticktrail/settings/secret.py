"""Texts that must not be shown: keys, passwords, and URIs that hold them."""

from __future__ import annotations


class Secret:
    """A text that must not be shown. ``str`` and ``repr`` return ``shown``; only :meth:`reveal` returns the text."""

    __slots__ = ("_shown", "_text")

    def __init__(self, text: str, shown: str = "…") -> None:
        self._text = text
        self._shown = shown

    def reveal(self) -> str:
        """Return the text itself. Call it where the text is used, and do not store the result."""
        return self._text

    def __str__(self) -> str:
        return self._shown

    def __repr__(self) -> str:
        return f"Secret({self._shown!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)
