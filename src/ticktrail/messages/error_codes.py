"""Meta's failure codes: what each means, whom it concerns, whether to send again, and what an operator does about it.

The knowledge is data, ``error_codes.toml`` in this package; a user's own words (``[error_codes.131026]`` in
``ticktrail.toml``) go over it, key by key. A code that neither lists gets an entry that says so: it is kept, shown and
counted like any other. Apart from :func:`packaged`, which reads the packaged file once, nothing here does I/O.
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
"""A failure code: a number as Meta writes them, or another provider's word."""

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
"""The table of ``ticktrail.toml`` that holds the user's own entries."""

LONGEST_TITLE = 60
LONGEST_ADVICE = 500
LONGEST_WAIT_SECONDS = 30 * 86_400
"""A month: WhatsApp itself drops a message that could not be delivered for so long."""

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
    """What is known of one failure code, or of a family of neighbouring ones.

    Attributes:
        code: the code, or the first of a family.
        title: a few words on one line.
        category: what has to do with it: the recipient, the template, the account …; ``class`` where people read it.
        scope: whom else it concerns besides the message that failed.
        alert: a single one is worth an alert, many are, or none is.
        retry: sending the same again ``never`` helps as things stand, may be tried ``now``, or ``after`` a wait.
        wait: that wait in seconds; 0 unless ``retry`` is ``after``.
        advice: what an operator does next, one or two sentences.
        last: the last code of a family, else None.
        known: whether the catalogue or the user's file lists it.
        own: whether the user's file has a say in it.
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
        """The code as people write it; a family as ``200-299``."""
        return str(self.code) if self.last is None else f"{self.code}-{self.last}"


_UNKNOWN_ADVICE = (
    "Ticktrail does not know this code; messages that fail with it are kept and counted all the same. Go by what "
    "WhatsApp said, look on Meta's page of error codes, and put your own advice into ticktrail.toml."
)
_NO_CODE = FailureCode(
    code="",
    title="No reason given",
    advice="WhatsApp reported the failure without a code. Look at the execution in n8n for what it said.",
    known=False,
)


class Catalogue(msgspec.Struct, frozen=True):
    """The failure codes that are known: single ones by code, and families of neighbours."""

    singles: Mapping[Code, FailureCode]
    families: tuple[FailureCode, ...] = ()

    def lookup(self, code: Code | None) -> FailureCode:
        """What is known of a code. It never fails: of an unknown one the entry says that it is unknown."""
        code = plain_code(code)
        if code is None:
            return _NO_CODE
        found = self.singles.get(code)
        if found is None and isinstance(code, int):
            found = next((family for family in self.families if family.code <= code <= (family.last or 0)), None)  # type: ignore[operator]
            found = msgspec.structs.replace(found, code=code, last=None) if found else None
        return found or FailureCode(code=code, title="Unknown code", advice=_UNKNOWN_ADVICE, known=False)

    def __iter__(self) -> Iterator[FailureCode]:
        """Every entry, families included, by number; codes that are words come last."""
        return iter(sorted([*self.singles.values(), *self.families], key=lambda one: _order(one.code)))

    def close_to(self, text: str, *, limit: int = 3) -> list[FailureCode]:
        """Entries that somebody may have meant: a code with a slip in it, or a word of the title or the class."""
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
        """This catalogue with the user's own entries over it, key by key.

        Args:
            tables: what stands under ``[error_codes]`` in the user's file.
            origin: that file, as messages name it.

        Raises:
            SettingsError: it names the file, the table, the key and the remedy.
        """
        if not isinstance(tables, Mapping):
            raise SettingsError(
                f"{origin}: {TABLE} is no table.", remedy=f"Write a table for each code: [{TABLE}.131026]"
            )
        singles = dict(self.singles)
        for key, table in tables.items():
            where = f"{origin}: [{TABLE}.{_shown(str(key))}]"
            if not _OTHERS_CODE.fullmatch(str(key)):
                raise SettingsError(
                    f"{where} names no code.", remedy=f"Write one code, as Meta writes it: [{TABLE}.131026]"
                )
            if not isinstance(table, Mapping):
                raise SettingsError(
                    f"{where} is no table.", remedy=f"Write: [{TABLE}.{key}] and below it {_EXAMPLES['advice']}"
                )
            base = self.lookup(str(key))
            singles[base.code] = _entry(base, table, where, own=True)
        return Catalogue(singles, self.families)


def retryable_codes(catalogue: Catalogue, *, waited_seconds: int | None = None) -> tuple[Code, ...]:
    """The codes after which the same message may be sent again, by number.

    ``waited_seconds`` leaves out the codes that ask for a longer wait than that; None asks for no time.
    """
    return tuple(
        code
        for entry in catalogue
        if entry.retry != "never" and (waited_seconds is None or entry.wait <= waited_seconds)
        for code in ((entry.code,) if entry.last is None else range(int(entry.code), entry.last + 1))
    )


@functools.cache
def packaged() -> Catalogue:
    """The catalogue that comes with Ticktrail."""
    text = (resources.files("ticktrail.messages") / "error_codes.toml").read_text(encoding="utf-8")
    return read_catalogue(tomllib.loads(text), "error_codes.toml")


def read_catalogue(tables: Mapping[str, Any], origin: str) -> Catalogue:
    """A catalogue out of the tables of a TOML file, one for a code or (``200-299``) for a family.

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
    """``base`` with the keys of a table over it."""
    given: dict[str, Any] = {}
    for key, value in table.items():
        if key not in _KEYS:
            close = difflib.get_close_matches(key, _KEYS, n=1)
            hint = f"Did you mean {close[0]}? " if close else ""
            raise SettingsError(
                f"{where} has a key {_shown(key)}, which is none.", remedy=f"{hint}The keys are {', '.join(_KEYS)}."
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
    """A value that is fit for its key.

    Raises:
        SettingsError: it is not.
    """
    if key == "wait":
        # True is a number to Python.
        if type(value) is int and 0 < value <= LONGEST_WAIT_SECONDS:
            return value
        should = f"It is a whole number of seconds, from 1 to {LONGEST_WAIT_SECONDS:,} (30 days): {_EXAMPLES[key]}"
    elif key in _CHOICES:
        if value in _CHOICES[key]:
            return value
        should = f"It is one of {', '.join(_CHOICES[key])}."
    else:
        text = " ".join(value.split()) if isinstance(value, str) else ""
        if 0 < len(text) <= _TEXTS[key] and not any(unicodedata.category(character) == "Cc" for character in text):
            return text
        should = f"It is a text of at most {_TEXTS[key]} characters: {_EXAMPLES[key]}"
    raise SettingsError(f"{where}: {key} is {_shown(value) or 'empty'}.", remedy=should)


def plain_code(code: object) -> Code | None:
    """A code as the catalogue has it: a number where it is one, also when it came as ``#131026`` or ``131026.0``.

    MongoDB's shell writes numbers as doubles. None for what is no code at all.
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
    """A value as a message may show it: short and printable."""
    text = ascii(value) if not (isinstance(value, str) and value.isprintable()) else value
    return text if len(text) <= 40 else text[:39] + "…"
