"""The country of a phone number."""

from __future__ import annotations


def country_of(number: str | None) -> str | None:
    """The ISO code (``SA``) of the country of a number as Meta writes it, digits only; None where it is none's.

    A number that no plan knows still has the country its first digits belong to (``US`` for +1).
    """
    if not number or not (number.isascii() and number.isdigit()):
        return None
    import phonenumbers  # noqa: PLC0415 - a tenth of a second, and few questions ask for countries

    try:
        parsed = phonenumbers.parse(f"+{number}")
    except phonenumbers.NumberParseException:
        return None
    country = phonenumbers.region_code_for_number(parsed)
    if country is None and parsed.country_code is not None:
        country = phonenumbers.region_code_for_country_code(parsed.country_code)
    # 001 stands for the world (satellite and international networks), ZZ for unknown.
    return country if country is not None and country.isalpha() and country != "ZZ" else None
