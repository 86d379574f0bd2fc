"""Phone numbers: one normal form for what is stored and what is typed, search terms, and countries.

:func:`person_id` is the only place that decides which texts are the same person. Numbering plans come from Google's
libphonenumber, which is loaded when a question needs one, not before.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from html import unescape
from typing import Final
from urllib.parse import unquote

import msgspec

from ticktrail.errors import ConfigurationError

SHORTEST_SUFFIX = 4
"""Fewest last digits that may be searched for."""

_SHORTEST, _LONGEST = 5, 15
"""Digits in a phone number (ITU E.164); longer ids are groups'."""

_BY_AREA: Final = {1: range(200, 1000), 7: range(300, 1000)}
"""Calling codes that countries share by area code."""

_QUOTES = " \t\r\n\"'`=<>|#*~\u2018\u2019\u201c\u201d"
"""Quotes around a cell of a spreadsheet, and the apostrophe or equals sign that makes it text."""

_LINK = re.compile(
    r"(?:whatsapp://send/?\?(?:[^#]*&)?phone=|(?:https?://)?(?:www\.)?"
    r"(?:wa\.me/+|(?:api\.|web\.)?whatsapp\.com/send/?\?(?:[^#]*&)?phone=))(?P<number>[^?&#/]+)",
    re.IGNORECASE,
)
_URI = re.compile(r"(?:tel|callto|sms|smsto|whatsapp):(?://)?(?P<number>[^;?@:]+)", re.IGNORECASE)
_ACCOUNT = re.compile(r"(?P<number>[^@]+?)(?:_\d{1,3})?(?::\d{1,3})?@(?:s\.whatsapp\.net|c\.us)\Z", re.IGNORECASE)
"""The ids of WhatsApp Web libraries, with the number of a linked device: ``966500000041:12@s.whatsapp.net``."""

_TRUNK_ZERO = re.compile(r"^(?P<code>\D*(?:00)?(?!39)[1-9]\d{0,2})(?P<between>[^\d(]*)\(\s*0\s*\)")
"""``+966 (0)50…``: the zero is dialled within the country only. Italy (39) dials it from abroad too."""

_DECIMAL = re.compile(r"^(?P<number>\+?\d{7,})[.,]0{1,9}\Z")
"""A number that a spreadsheet or a JSON writer took for a decimal: ``966500000041.0``."""

_EXPONENT = re.compile(r"^\+?(?P<first>[1-9])[.,](?P<rest>\d{7,14})E\+?(?P<exponent>\d{1,2})\Z", re.IGNORECASE)
"""A number in a spreadsheet's scientific form, ``9.66500000041E+11``. Zeros at the end are left out there."""

_LABEL = re.compile(r"^(?![A-Z]{2}\.)(?:[^\W\d_]{1,20}[.:]?\s*){1,3}(?=[+(]*\d)")
"""Words in front of a number: ``Phone: +966…``. Two capitals and a dot begin a business-scoped user id."""

_TAIL = re.compile(r"(?<=\d)\s*(?:[;|#].*|:\D.*|(?:ext|x)\.?\s*\d{1,6}|\([^\d()]*\)|,)\s*\Z", re.IGNORECASE | re.DOTALL)
"""An extension, a remark, a message or a separator behind a number."""

_SHORTEST_IN_TEXT = 7
"""Fewest digits of a number that has a label or a tail."""

_BETWEEN = r"(?:[\W_]|%2\w|&nbsp;){0,8}"
"""Pattern of what may be between two digits of a number, also in a URL or in HTML."""

_NOT_BETWEEN_DIGITS = frozenset("@#%*&:;?|\\^$")
"""Punctuation that is never part of a phone number."""


class Person(msgspec.Struct, frozen=True):
    """A person to search for: one of these ids, or a number that ends in these digits.

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
                "This is neither a whole phone number nor the end of one.",
                remedy=f"Give the whole number, or its last {SHORTEST_SUFFIX} digits or more.",
            )

    def includes(self, *texts: str | None) -> bool:
        """Return whether one of these ids, in any spelling, is this person's."""
        found = {name for name in map(person_id, texts) if name is not None}
        if not found.isdisjoint(self.ids):
            return True
        return self.suffix is not None and any(name.isdigit() and name.endswith(self.suffix) for name in found)


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
            raise ConfigurationError("The numbers of a country begin with digits.")


class _Number(msgspec.Struct, frozen=True):
    """A phone number as written: its ASCII digits, and whether it was written with its calling code (``+``)."""

    digits: str
    international: bool


def person_id(text: str | None) -> str | None:
    """Return the normal form of a person's id; None when the text has neither a letter nor a digit.

    A phone number becomes its digits with the calling code first (``966500000041``), however it is written: any
    script's digits, separators, invisible marks, a leading ``+`` or ``00``, ``(0)`` after the calling code, a trailing
    ``.0``, ``tel:``, ``whatsapp:``, ``…@s.whatsapp.net``, ``wa.me/…``. Any other id (a group's, a business-scoped user
    id) stays as it is, without invisible marks.

    Tombstones of erased people are hashes of this form, so the form of a number must never change.
    """
    if not text:
        return None
    if text.isascii() and text.isdigit() and not text.startswith("00"):
        return text
    return _normalized(text)


@lru_cache(maxsize=4096)
def _normalized(text: str) -> str | None:
    number = _number_in(text)
    if number is None:
        visible = _visible(text)
        return visible if any(map(str.isalnum, visible)) else None
    digits = number.digits
    while digits.startswith("00") and len(digits) > len("00"):
        digits = digits[len("00") :]
    return digits


def parse_person(text: str, region: str | None = None) -> Person:
    """Return the person that a text names: a number in any spelling, its last digits, or another id.

    ``+966 50…``, ``00966…`` and digits that are a valid number are searched for exactly, and so is a number as it is
    dialled within ``region`` (ISO code), such as ``050…``. Digits that are no valid number by themselves are the end
    of one. WhatsApp writes Mexican and Argentine mobile numbers with a digit more, and some Brazilian ones with one
    less, than people do: those count as the same.

    Raises:
        ConfigurationError: the text is empty, or has fewer than four digits.
    """
    name = person_id(text)
    if name is None:
        raise ConfigurationError(
            "The recipient is empty.",
            remedy=f"Give a phone number such as +966 50 000 0001, its last {SHORTEST_SUFFIX} digits or more, or "
            "another id.",
        )
    number = _number_in(text)
    if number is None:
        return Person((name,))
    digits = number.digits
    if len(digits) < SHORTEST_SUFFIX:
        raise ConfigurationError(
            f"{len(digits)} digit{'s are' if len(digits) > 1 else ' is'} too few to find a person by.",
            remedy=f"Give the whole number, or its last {SHORTEST_SUFFIX} digits or more.",
        )
    if len(digits) > _LONGEST + len("00"):
        return Person((digits,))
    found = [name] if number.international or _is_valid(name) else []
    if region is not None and not found:
        national = _national(digits, region)
        found = [] if national is None else [national, digits]
    if found:
        return Person(tuple(dict.fromkeys(spelling for one in found for spelling in equivalent_numbers(one))))
    # One zero in front is dialled within a country and no part of the number; several are its last digits.
    trunk = len(digits) > 7 and digits.startswith("0") and not digits.startswith("00")
    without_00 = digits.removeprefix("00")
    return Person(equivalent_numbers(without_00), digits[1:] if trunk else digits)


def national_digits(number: str, region: str | None) -> str | None:
    """Return a number's digits as dialled within ``region`` (``0500000041``); None for a number of another country."""
    if region is None or country_of(number) != region:
        return None
    import phonenumbers  # noqa: PLC0415 - loaded when a question needs a numbering plan

    parsed = phonenumbers.parse(f"+{number}")
    written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    return "".join(filter(str.isdecimal, written))


def with_trunk_zero(number: str) -> str | None:
    """Return a number with the zero that is dialled within its country only (``9660500000041``), a common mistake.

    None for a text that is no valid number.
    """
    if not (number.isascii() and number.isdigit()):
        return None
    import phonenumbers  # noqa: PLC0415 - loaded when a question needs a numbering plan

    try:
        parsed = phonenumbers.parse(f"+{number}")
    except phonenumbers.NumberParseException:
        return None
    code = str(parsed.country_code)
    return f"{code}0{number.removeprefix(code)}" if phonenumbers.is_valid_number(parsed) else None


def number_pattern(number: str) -> str:
    """Return a regular expression that finds a number in a text, however it is written there.

    It may match more than the number itself: compare :func:`person_id` of what it finds. Works in Python and in PCRE,
    and is short, because some servers take at most 1,000 characters.
    """
    # From U+0660 on, where the digits of other scripts begin, every character may be the digit.
    digits = [f"[{digit}\u0660-\U0010ffff]" for digit in number]
    # "(0)" follows the calling code, which has one to three digits.
    start = rf"{_BETWEEN}(?:0{_BETWEEN})?".join(digits[:4])
    return _BETWEEN.join([start, *digits[4:]])


def equivalent_numbers(digits: str) -> tuple[str, ...]:
    """Return a number and its other spelling on WhatsApp: Mexico's 1, Argentina's 9, Brazil's ninth digit."""
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


def own_name(names: Mapping[str, str], *numbers: str | None) -> str | None:
    """Return the user's name for the first of these numbers that has one; ``names`` are by number in normal form."""
    return next((names[number] for number in map(person_id, numbers) if number is not None and number in names), None)


def country_of(number: str | None) -> str | None:
    """Return the ISO code (``SA``) of the country of a number in normal form; None when no country has it.

    It is the country whose :func:`parse_country` includes the number.
    """
    prefix = country_prefix(number)
    return None if prefix is None else country_of_prefix(prefix)


def country_prefix(number: str | None) -> str | None:
    """Return the first digits of a number, enough of them to know its country; None for what is no phone number.

    Three digits contain the calling code, and with +1 and +7 four contain the area code as well.
    """
    if not number or not (number.isascii() and number.isdigit() and _SHORTEST <= len(number) <= _LONGEST):
        return None
    return number[:4] if number[0] in "17" else number[:3]


@cache
def country_of_prefix(prefix: str) -> str | None:
    """Return the ISO code of the country of a :func:`country_prefix`; None when no country has it."""
    import phonenumbers  # noqa: PLC0415 - loaded when a question needs a numbering plan

    for length in (1, 2, 3):
        region = phonenumbers.region_code_for_country_code(int(prefix[:length]))
        if region != "ZZ":
            break
    if int(prefix[:length]) in _BY_AREA:
        region = phonenumbers.region_code_for_number(phonenumbers.parse(f"+{prefix}2345678")) or region
    # 001 stands for the world (satellite and international networks), ZZ for unknown.
    return region if region.isalpha() and region != "ZZ" else None


def parse_country(code: str) -> Country:
    """Return the numbers of a country, by its ISO code.

    Calling codes +1 and +7 are shared by area code; areas of no country count as the United States' and Russia's.
    Of the other shared codes (+44, +39, +47, +212 …) the largest country stands for all.

    Raises:
        ConfigurationError: there is no such country, or its calling code is another's.
    """
    import phonenumbers  # noqa: PLC0415 - loaded when a question needs a numbering plan

    region = code.strip().upper()
    calling_code = phonenumbers.country_code_for_region(region)
    if not calling_code:
        raise ConfigurationError(
            f"{code[:20]!r} is not a country code.",
            remedy="Use an ISO code such as SA, AE, EG, IN or US.",
        )
    chief = phonenumbers.region_code_for_country_code(calling_code)
    if calling_code in _BY_AREA:
        areas = _areas(calling_code)
        if region != chief:
            return Country(tuple(area for area, owner in areas if owner == region))
        return Country((str(calling_code),), tuple(area for area, owner in areas if owner != chief))
    if region != chief:
        raise ConfigurationError(
            f"Numbers of {region} cannot be told from those of {chief}: both begin with +{calling_code}.",
            remedy=f"Use {chief}.",
        )
    return Country((str(calling_code),))


@cache
def _areas(calling_code: int) -> tuple[tuple[str, str], ...]:
    """Return pairs of calling code with area code, and its country; areas of no country are left out."""
    import phonenumbers  # noqa: PLC0415 - loaded when a question needs a numbering plan

    owners = (
        (str(area), phonenumbers.region_code_for_number(phonenumbers.parse(f"+{calling_code}{area}2345678")))
        for area in _BY_AREA[calling_code]
    )
    return tuple((f"{calling_code}{area}", owner) for area, owner in owners if owner)


def _is_valid(digits: str) -> bool:
    import phonenumbers  # noqa: PLC0415 - loaded when a question needs a numbering plan

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(f"+{digits}"))
    except phonenumbers.NumberParseException:
        return False


def _national(digits: str, region: str) -> str | None:
    """Return the international form of a number dialled within a region; None when it is not valid there."""
    import phonenumbers  # noqa: PLC0415 - loaded when a question needs a numbering plan

    try:
        parsed = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")


def _number_in(text: str) -> _Number | None:
    """Return the phone number that a text is; None when the text is another id."""
    plain = unescape(unquote(text)) if "%" in text or "&" in text else text
    plain = _visible(unicodedata.normalize("NFKC", plain)).strip(_QUOTES)
    international = False
    for wrapping, always in ((_LINK, True), (_URI, False), (_ACCOUNT, True)):
        if found := wrapping.match(plain):
            plain = _visible(unquote(found["number"])).strip(_QUOTES)
            international |= always
    if found := _DECIMAL.match(plain):
        plain = found["number"]
    if found := _EXPONENT.match(plain):
        missing = int(found["exponent"]) - len(found["rest"])
        plain = found["first"] + found["rest"] + "0" * missing if 0 <= missing <= 2 else plain
    shorter = _TAIL.sub("", _LABEL.sub("", plain))
    in_text, plain = shorter != plain, shorter
    plain, dropped = _TRUNK_ZERO.subn(r"\g<code>\g<between>", plain)
    international |= bool(dropped)
    digits = []
    for character in plain:
        if character.isdecimal():
            digits.append(character)
        elif character in _NOT_BETWEEN_DIGITS or unicodedata.category(character)[0] not in "PZSM":
            return None
        elif character == "+" and not digits:
            international = True
    if (
        not digits
        or (in_text and len(digits) < _SHORTEST_IN_TEXT)
        or (len(digits) > _LONGEST + len("00") and len(digits) < len(plain))
    ):
        return None
    return _Number("".join(digits), international)


def _visible(text: str) -> str:
    """Return the text with ASCII digits for any script's, without invisible marks and the spaces around it."""
    if text.isascii() and text.isprintable():
        return text.strip()
    return "".join(
        str(unicodedata.decimal(character)) if character.isdecimal() else character
        for character in text
        if unicodedata.category(character) not in {"Cc", "Cf"}
    ).strip()
