"""Finds the one person a text names, for commands that concern one person only."""

from __future__ import annotations

from ticktrail.errors import ConfigurationError
from ticktrail.queries.lists import find_people
from ticktrail.settings.settings import Settings
from ticktrail.settings.user_file import dialling_region
from ticktrail.stores import Store
from ticktrail.text.phone_numbers import national_digits, parse_person, with_trunk_zero


def find_person(store: Store, text: str, settings: Settings) -> tuple[str, ...]:
    """Return the ids of the one person a text names; last digits are completed from the store.

    Raises:
        ConfigurationError: the text is empty or too short, or several numbers in the store end in these digits.
    """
    person = parse_person(text, dialling_region(settings))
    if person.suffix is None:
        return person.ids
    numbers = [number for number, _ in find_people(store, person).people]
    exact = [number for number in numbers if number in person.ids]
    if not exact and len(numbers) > 1:
        raise ConfigurationError(
            f"{len(numbers)} phone numbers end in {person.suffix}.", remedy="Give the whole number, or more of it."
        )
    return tuple(exact or numbers) or person.ids


def ids_to_erase(ids: tuple[str, ...], settings: Settings) -> tuple[str, ...]:
    """Add each number as it is dialled within the user's country, and with its zero: workflows send to those too."""
    region = dialling_region(settings)
    others = (other for number in ids for other in (national_digits(number, region), with_trunk_zero(number)))
    return tuple(dict.fromkeys((*ids, *filter(None, others))))
