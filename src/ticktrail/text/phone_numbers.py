"""Phone numbers as people type them, and the countries they belong to.

What is known of numbering plans is Google's libphonenumber's; it is loaded when a number is asked about, not before.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final

import msgspec

from ticktrail.errors import ConfigurationError

_SEPARATORS = frozenset(" +-().\u2013\u00a0\u200e\u200f\u202a\u202c\u2066\u2069")
"""What stands between the digits of a number, or comes along when one is copied."""

_LONGEST = 15
"""Digits in a phone number (ITU E.164); longer ids are groups'."""

_BY_AREA: Final = {1: range(200, 1000), 7: range(300, 1000)}
"""Calling codes that countries share by area code."""


def person(text: str, region: str | None = None) -> Person:
    """Whom a text means: a number in any spelling, its last digits, or an id that is no number.

    ``+966 50…``, ``00966…`` and digits that are a valid number are looked for exactly, and so is a number as it is
    dialled within ``region`` (ISO code), such as ``050…``. Digits that are no valid number by themselves are the end
    of one. WhatsApp writes Mexican and Argentine mobile numbers with a digit more, and some Brazilian ones with one
    less, than people do: those count as the same.

    Raises:
        ConfigurationError: fewer than four digits.
    """
    stripped = text.strip()
    digits = "".join(_ascii(character) for character in stripped if character not in _SEPARATORS)
    if not (digits.isascii() and digits.isdigit()):
        return Person((stripped,))
    if len(digits) < SHORTEST_SUFFIX:
        raise ConfigurationError(
            f"{len(digits)} digits are too few to find a person by.",
            remedy=f"Give the whole number, or its last {SHORTEST_SUFFIX} digits or more.",
        )
    if len(digits) > _LONGEST + len("00"):
        return Person((digits,))
    written_in_full = stripped.lstrip("".join(_SEPARATORS - {"+"})).startswith("+")
    international = digits if written_in_full else digits.removeprefix("00")
    found = [international] if written_in_full or _is_valid(international) else []
    if region is not None and not found:
        national = _national(digits, region)
        found = [] if national is None else [digits, national]
    if found:
        return Person(tuple(dict.fromkeys(spelling for number in found for spelling in _spellings(number))))
    # One zero in front is dialled within a country and no part of the number; several are its last digits.
    trunk = len(digits) > 7 and digits.startswith("0") and not digits.startswith("00")
    return Person(_spellings(international), digits[1:] if trunk else digits)


def country(code: str) -> Country:
    """The numbers of a country, by its ISO code.

    Calling codes +1 and +7 are shared: there the area code decides, and what belongs to nobody else counts as the
    United States' and Russia's. Of the other shared codes (+44, +39, +47, +212 …) the largest country stands for all.

    Raises:
        ConfigurationError: there is no such country, or its calling code is another's.
    """
    import phonenumbers  # noqa: PLC0415 - loaded when a number is asked about

    region = code.strip().upper()
    calling_code = phonenumbers.country_code_for_region(region)
    if not calling_code:
        raise ConfigurationError(
            f"{code[:20]!r} is no country Ticktrail knows.",
            remedy="Countries are named by their ISO codes: SA, AE, EG, IN, US, …",
        )
    chief = phonenumbers.region_code_for_country_code(calling_code)
    if calling_code in _BY_AREA:
        areas = _areas(calling_code)
        if region != chief:
            return Country(tuple(area for area, owner in areas if owner == region))
        return Country((str(calling_code),), tuple(area for area, owner in areas if owner != chief))
    if region != chief:
        raise ConfigurationError(
            f"Numbers of {region} begin as those of {chief} do: +{calling_code}.", remedy=f"Ask for {chief}."
        )
    return Country((str(calling_code),))


@cache
def _areas(calling_code: int) -> tuple[tuple[str, str], ...]:
    """Calling code with area code, and the country it belongs to; what belongs to none is left out."""
    import phonenumbers  # noqa: PLC0415 - loaded when a number is asked about

    owners = (
        (str(area), phonenumbers.region_code_for_number(phonenumbers.parse(f"+{calling_code}{area}2345678")))
        for area in _BY_AREA[calling_code]
    )
    return tuple((f"{calling_code}{area}", owner) for area, owner in owners if owner)


def _is_valid(digits: str) -> bool:
    import phonenumbers  # noqa: PLC0415 - loaded when a number is asked about

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(f"+{digits}"))
    except phonenumbers.NumberParseException:
        return False


def _national(digits: str, region: str) -> str | None:
    """The whole number of one dialled within a region; None when it is no valid one there."""
    import phonenumbers  # noqa: PLC0415 - loaded when a number is asked about

    try:
        parsed = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")


def _spellings(digits: str) -> tuple[str, ...]:
    """A number and the other ways WhatsApp is known to write it: Mexico's 1, Argentina's 9, Brazil's ninth digit."""
    other = None
    for calling_code, extra, length in (("52", "1", 12), ("54", "9", 12)):
        if digits.startswith(calling_code) and len(digits) == length:
            other = calling_code + extra + digits[2:]
        elif digits.startswith(calling_code + extra) and len(digits) == length + 1:
            other = calling_code + digits[3:]
    if digits.startswith("55") and len(digits) == 13 and digits[4] == "9":
        other = digits[:4] + digits[5:]
    elif digits.startswith("55") and len(digits) == 12:
        other = f"{digits[:4]}9{digits[4:]}"
    return (digits,) if other is None else (digits, other)


def _ascii(character: str) -> str:
    """Any script's digit as an ASCII one: Arabic keyboards type their own."""
    return str(unicodedata.decimal(character)) if character.isdecimal() else character


SHORTEST_SUFFIX = 4
"""Fewer last digits than this are no way to look for a person."""


class Person(msgspec.Struct, frozen=True):
    """Somebody as they were asked for: exactly one of these ids, or a number that ends in these digits.

    Attributes:
        ids: compared with ``conversation_id`` and ``recipientUserId``.
        suffix: four ASCII digits or more, compared with the end of ``conversation_id``; None for exact ids only.
    """

    ids: tuple[str, ...]
    suffix: str | None = None

    def __post_init__(self) -> None:
        suffix = self.suffix
        if suffix is not None and not (suffix.isascii() and suffix.isdigit() and len(suffix) >= SHORTEST_SUFFIX):
            raise ConfigurationError(
                "That is neither a whole number nor the end of one.",
                remedy=f"Give the whole number, or its last {SHORTEST_SUFFIX} digits or more.",
            )


class Country(msgspec.Struct, frozen=True):
    """The numbers of a country: phone numbers (5 to 15 digits, so no groups) that begin with one of these digits.

    Attributes:
        prefixes: calling code, with area codes where countries share it.
        but_not: numbers with these beginnings belong to others.
    """

    prefixes: tuple[str, ...]
    but_not: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not all(text.isascii() and text.isdigit() for text in (*self.prefixes, *self.but_not)):
            raise ConfigurationError("A country's numbers begin with digits.")


def recipient(text: str) -> str:
    """A recipient as people write it, as Meta does: ``+966 50 000 0001`` and ``00966…`` without what is not a digit.

    Ids that are no phone numbers (groups, business-scoped user ids) stay as they are.
    """
    stripped = text.strip()
    digits = "".join(character for character in stripped if character not in " +-().\u00a0\u200e\u202a\u202c")
    if not digits.isdigit():
        return stripped
    return digits.removeprefix("00")
