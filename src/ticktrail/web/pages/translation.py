"""Languages of the pages: which there are, which one a visitor reads, and the texts in it (gettext)."""

from __future__ import annotations

import gettext as catalogues
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import resources

LANGUAGES = {"en": "English", "ar": "العربية"}
"""Codes and own names, the default first."""

_RIGHT_TO_LEFT = frozenset({"ar"})
_DEFAULT = next(iter(LANGUAGES))
_current: ContextVar[str] = ContextVar("language", default=_DEFAULT)


def current() -> str:
    """The code of the current language."""
    return _current.get()


def gettext(text: str) -> str:
    """An English text in the current language."""
    return _catalogue(_current.get()).gettext(text)


def ngettext(one: str, many: str, count: int) -> str:
    """The form for a count in the current language; the texts have ``{count}`` or none."""
    return _catalogue(_current.get()).ngettext(one, many, count).format(count=f"{count:,}")


def mark(text: str) -> str:
    """A text in a table of constants, marked for extraction and translated where it is shown."""
    return text


def mark_plural(one: str, many: str) -> tuple[str, str]:
    """As :func:`mark`, with the two forms that :func:`ngettext` takes."""
    return one, many


def isolated(text: str) -> str:
    """A number with its unit, kept in its own order within a sentence that runs from right to left."""
    return f"\u2068{text}\u2069" if direction(_current.get()) == "rtl" and text else text


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Make a language current for the block, in this task alone."""
    token = _current.set(language if language in LANGUAGES else _DEFAULT)
    try:
        yield
    finally:
        _current.reset(token)


def direction(language: str) -> str:
    """``rtl`` or ``ltr``."""
    return "rtl" if language in _RIGHT_TO_LEFT else "ltr"


def choose(chosen: str | None, accepted: str) -> str:
    """The language of a visitor: the one chosen before, else the first that the browser accepts and the pages have.

    Args:
        accepted: an ``Accept-Language`` header.
    """
    if chosen in LANGUAGES:
        return chosen
    weighted: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted.split(",")[:20]):
        name, _, quality = part.partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            weight = 0.0
        weighted.append((-weight, place, name.strip().lower().partition("-")[0]))
    return next((name for _, _, name in sorted(weighted) if name in LANGUAGES), _DEFAULT)


@cache
def _catalogue(language: str) -> catalogues.NullTranslations:
    if language == _DEFAULT:
        return catalogues.NullTranslations()
    folder = resources.files("ticktrail.web.pages") / "locale" / language / "LC_MESSAGES"
    with (folder / "pages.mo").open("rb") as stream:
        return catalogues.GNUTranslations(stream)
