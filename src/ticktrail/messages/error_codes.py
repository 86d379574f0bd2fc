"""Catalogue of Meta's failure codes: meaning, scope, whether to send again, and advice.

The packaged data is ``error_codes.toml``; tables such as ``[error_codes.131026]`` in ``ticktrail.toml`` override it key
by key. A code that neither lists has an entry that says so. Only :func:`packaged` does I/O: it reads the packaged file
once.

See: https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
"""

from __future__ import annotations

import difflib
import functools
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any, Literal, get_args

import msgspec

from ticktrail.errors import SettingsError

Code = int | str
"""A failure code: a number, or a word of another provider."""

Category = Literal[
    "recipient", "account", "token", "template", "flow", "request", "media", "rate", "policy", "service", "group",
    "legacy", "other", "unknown",
]  # fmt: skip
Scope = Literal[
    "person", "message", "template", "flow", "workflow", "number", "country", "account", "app", "group", "platform"
]
Alert = Literal["at_once", "by_rate", "never"]
Retry = Literal["never", "now", "after"]

TABLE = "error_codes"
"""The table of ``ticktrail.toml`` with the user's own entries."""

LONGEST_TITLE = 60
LONGEST_ADVICE = 500
LONGEST_WAIT_SECONDS = 30 * 86_400
"""WhatsApp drops a message that could not be delivered for 30 days."""

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "class": get_args(Category),
    "scope": get_args(Scope),
    "alert": get_args(Alert),
    "retry": get_args(Retry),
}
_TEXTS = {"title": LONGEST_TITLE, "advice": LONGEST_ADVICE}
_KEYS = (*_TEXTS, *_CHOICES, "wait")
_EXAMPLES = {
    "title": 'title = "Message undeliverable"',
    "advice": 'advice = "Call the customer. The number is in the CRM."',
    "wait": "wait = 3600",
}
_OTHERS_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,39}")


class FailureCode(msgspec.Struct, frozen=True, kw_only=True):
    """Entry of one failure code, or of a range of codes.

    Attributes:
        code: the code, or the first of a range.
        title: a few words on one line.
        category: the part that causes it: the recipient, the template, the account …; called ``class`` in files.
        scope: what else fails for the same reason.
        alert: whether one failure alerts, many do, or none.
        retry: whether sending again helps ``never``, ``now``, or ``after`` a wait.
        wait: that wait in seconds; 0 unless ``retry`` is ``after``.
        advice: what an operator does next, one or two sentences.
        last: the last code of a range, else None.
        known: whether the catalogue or the user's file lists it.
        own: whether the user's file changes it.
    """

    code: Code
    title: str
    category: Category = msgspec.field(name="class", default="unknown")
    scope: Scope = "message"
    alert: Alert = "by_rate"
    retry: Retry = "never"
    wait: int = 0
    advice: str
    last: int | None = None
    known: bool = True
    own: bool = False

    @property
    def label(self) -> str:
        """Return the code as text; a range as ``200-299``."""
        return str(self.code) if self.last is None else f"{self.code}-{self.last}"


_UNKNOWN_ADVICE = (
    "Ticktrail does not know this code. Messages that fail with it are counted like others. See what WhatsApp reported "
    "and Meta's page of error codes, and put your own advice into ticktrail.toml."
)
_NO_CODE = FailureCode(
    code="",
    title="No reason given",
    advice="WhatsApp reported the failure without a code. Open the execution in n8n for its details.",
    known=False,
)


class Catalogue(msgspec.Struct, frozen=True):
    """Known failure codes: single ones by code, and ranges."""

    singles: Mapping[Code, FailureCode]
    families: tuple[FailureCode, ...] = ()

    def lookup(self, code: Code | None) -> FailureCode:
        """Return the entry of a code; an entry that says so for an unknown code."""
        code = plain_code(code)
        if code is None:
            return _NO_CODE
        found = self.singles.get(code)
        if found is None and isinstance(code, int):
            found = next((family for family in self.families if family.code <= code <= (family.last or 0)), None)  # type: ignore[operator]
            found = msgspec.structs.replace(found, code=code, last=None) if found else None
        return found or FailureCode(code=code, title="Unknown code", advice=_UNKNOWN_ADVICE, known=False)

    def __iter__(self) -> Iterator[FailureCode]:
        """Iterate over all entries by number; codes that are words come last."""
        return iter(sorted([*self.singles.values(), *self.families], key=lambda one: _order(one.code)))

    def close_to(self, text: str, *, limit: int = 3) -> list[FailureCode]:
        """Return entries for a mistyped code, or for a word of the title or the class."""
        labels = {entry.label: entry for entry in self}
        near = difflib.get_close_matches(text.strip(), labels, n=limit, cutoff=0.7)
        words = {word for word in re.findall(r"[a-z]+", text.lower()) if len(word) > 2}
        told = [
            entry
            for entry in labels.values()
            if words & set(re.findall(r"[a-z]+", f"{entry.title} {entry.category}".lower()))
        ]
        return [*(labels[label] for label in near), *told][:limit]

    def with_own(self, tables: object, origin: str) -> Catalogue:
        """Return this catalogue with the user's own entries, which override it key by key.

        Args:
            tables: the table ``[error_codes]`` of the user's file.
            origin: the path of that file, for messages.

        Raises:
            SettingsError: an entry is malformed; the message names the file, the table and the key.
        """
        if not isinstance(tables, Mapping):
            raise SettingsError(
                f"{origin}: {TABLE} is not a table.", remedy=f"Write a table for each code: [{TABLE}.131026]"
            )
        singles = dict(self.singles)
        for key, table in tables.items():
            where = f"{origin}: [{TABLE}.{_shown(str(key))}]"
            if not _OTHERS_CODE.fullmatch(str(key)):
                raise SettingsError(
                    f"{where} is not a failure code.", remedy=f"Write one code, as Meta writes it: [{TABLE}.131026]"
                )
            if not isinstance(table, Mapping):
                raise SettingsError(
                    f"{where} is not a table.", remedy=f"Write: [{TABLE}.{key}] and below it {_EXAMPLES['advice']}"
                )
            base = self.lookup(str(key))
            singles[base.code] = _entry(base, table, where, own=True)
        return Catalogue(singles, self.families)


def retryable_codes(catalogue: Catalogue, *, waited_seconds: int | None = None) -> tuple[Code, ...]:
    """Return the codes after which the same message may be sent again, by number.

    ``waited_seconds`` leaves out codes that ask for a longer wait.
    """
    return tuple(
        code
        for entry in catalogue
        if entry.retry != "never" and (waited_seconds is None or entry.wait <= waited_seconds)
        for code in ((entry.code,) if entry.last is None else range(int(entry.code), entry.last + 1))
    )


@functools.cache
def packaged() -> Catalogue:
    """Return the catalogue that comes with Ticktrail."""
    text = (resources.files("ticktrail.messages") / "error_codes.toml").read_text(encoding="utf-8")
    return read_catalogue(tomllib.loads(text), "error_codes.toml")


def read_catalogue(tables: Mapping[str, Any], origin: str) -> Catalogue:
    """Return a catalogue from the tables of a TOML file, each for a code or a range (``200-299``).

    Raises:
        SettingsError: an entry is malformed.
    """
    singles: dict[Code, FailureCode] = {}
    families: list[FailureCode] = []
    for key, table in tables.items():
        first, _, last = key.partition("-")
        base = FailureCode(
            code=plain_code(first if last else key) or 0, title="", advice="", last=int(last) if last else None
        )
        entry = _entry(base, table, f"{origin}: [{key}]", own=False)
        if entry.last is None:
            singles[entry.code] = entry
        else:
            families.append(entry)
    return Catalogue(singles, tuple(families))


def _entry(base: FailureCode, table: Mapping[str, object], where: str, *, own: bool) -> FailureCode:
    """Return ``base``, overridden by the keys of a table."""
    given: dict[str, Any] = {}
    for key, value in table.items():
        if key not in _KEYS:
            close = difflib.get_close_matches(key, _KEYS, n=1)
            hint = f"Did you mean {close[0]}? " if close else ""
            raise SettingsError(
                f"{where} has an unknown key {_shown(key)}.", remedy=f"{hint}Known: {', '.join(_KEYS)}."
            )
        given["category" if key == "class" else key] = _value(key, value, where)
    retry = given.get("retry", base.retry)
    wait = given.get("wait", base.wait if retry == "after" else 0)
    if (retry == "after") != bool(wait):
        says = (
            'retry is "after", and there is no wait' if retry == "after" else f'there is a wait, but retry is "{retry}"'
        )
        raise SettingsError(
            f"{where}: {says}.", remedy='Write both, retry = "after" and wait = 3600 (seconds), or neither.'
        )
    return msgspec.structs.replace(base, **{**given, "wait": wait, "known": True, "own": own})


def _value(key: str, value: object, where: str) -> object:
    """Return a valid value of a key.

    Raises:
        SettingsError: the value is malformed.
    """
    if key == "wait":
        # True is a number to Python.
        if type(value) is int and 0 < value <= LONGEST_WAIT_SECONDS:
            return value
        should = f"Use a whole number of seconds, from 1 to {LONGEST_WAIT_SECONDS:,} (30 days): {_EXAMPLES[key]}"
    elif key in _CHOICES:
        if value in _CHOICES[key]:
            return value
        should = f"Use one of {', '.join(_CHOICES[key])}."
    else:
        text = " ".join(value.split()) if isinstance(value, str) else ""
        if 0 < len(text) <= _TEXTS[key] and not any(unicodedata.category(character) == "Cc" for character in text):
            return text
        should = f"Use a text of at most {_TEXTS[key]} characters: {_EXAMPLES[key]}"
    raise SettingsError(f"{where}: {key} is {_shown(value) or 'empty'}.", remedy=should)


def plain_code(code: object) -> Code | None:
    """Return a code as a number where possible, also for ``#131026`` and ``131026.0``; None for other values.

    MongoDB's shell writes numbers as doubles.
    """
    if isinstance(code, float) and code.is_integer():
        return int(code)
    if isinstance(code, int):
        return code
    if not isinstance(code, str) or not code.strip():
        return None
    text = code.strip().strip("()#").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else text


def _order(code: Code) -> tuple[bool, int, str]:
    return (False, code, "") if isinstance(code, int) else (True, 0, code)


def _shown(value: object) -> str:
    """Return a value for a message: short and printable."""
    text = ascii(value) if not (isinstance(value, str) and value.isprintable()) else value
    return text if len(text) <= 40 else text[:39] + "…"
