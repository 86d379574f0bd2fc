"""Places in lists: the position of a page, and the way back to the page before it."""

from __future__ import annotations

from collections import OrderedDict
from urllib.parse import urlencode

from starlette.requests import Request

_MOST_LISTS = 2_000
_MOST_PAGES = 1_000
_MOST_POSITION = 10_000_000


class Pages:
    """Remembers where the pages of lists began, so that each leads back to the one before.

    A cursor leads forward only. What is not remembered (after a restart) leads back to the first page.
    """

    def __init__(self) -> None:
        self._starts: OrderedDict[str, dict[int, str]] = OrderedDict()

    def links(self, path: str, query: str, first: int, size: int, following: str | None) -> dict[str, str | None]:
        """The addresses of the previous and the next page of a list, None where there is none.

        Args:
            query: the conditions without a place.
            first: number of rows before this page.
            following: the query of the next page, without a position.
        """
        starts = self._starts.setdefault(query, {})
        self._starts.move_to_end(query)
        while len(self._starts) > _MOST_LISTS:
            self._starts.popitem(last=False)
        after = None
        if following is not None:
            if len(starts) < _MOST_PAGES:
                starts[first + size] = following
            after = f"{path}?{following}&{urlencode({'at': first + size})}"
        before = None
        if first:
            at = max(0, first - size)
            previous = starts.get(at)
            before = f"{path}?{previous}&{urlencode({'at': at})}" if previous else f"{path}?{query}" if query else path
        return {"previous": before, "next": after}


def position_of(request: Request) -> int:
    """The number of rows before this page, as its address says."""
    text = request.query_params.get("at", "0")
    return min(int(text), _MOST_POSITION) if text.isascii() and text.isdigit() and len(text) < 12 else 0
