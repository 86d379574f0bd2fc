"""Numbers as people type them, and the countries they belong to."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ticktrail.errors import ConfigurationError
from ticktrail.text.phone_numbers import Person, country, person

ALI = "966500000041"


@pytest.mark.parametrize(
    "typed",
    [
        "966500000041",
        "+966 50 000 0041",
        "00966500000041",
        "00966 (50) 000-0041",
        " +966-50-000-0041 ",
        "\u202a+966 50 000 0041\u202c",
        "+966\u00a050\u00a0000\u00a00041",
        "+٩٦٦٥٠٠٠٠٠٠٤١",
    ],
)
def test_a_whole_number_is_looked_for_exactly(typed: str) -> None:
    """Signs, spaces, marks of direction and digits of other scripts are ways to write one number."""
    assert person(typed) == person(typed, "SA") == person(typed, "EG") == Person((ALI,))


@pytest.mark.parametrize("typed", ["0500000041", "050 000 0041", "500000041", "٠٥٠٠٠٠٠٠٤١"])
def test_a_number_as_dialled_at_home_needs_the_region(typed: str) -> None:
    """Within its country it is the whole number, or just what was typed; elsewhere the end of a number."""
    within = person(typed, "SA")
    assert ALI in within.ids
    assert within.suffix is None
    assert person(typed).suffix == "500000041"


@pytest.mark.parametrize(("typed", "suffix"), [("0041", "0041"), ("00 41", "0041"), ("1234567", "1234567")])
def test_a_few_digits_are_the_end_of_a_number(typed: str, suffix: str) -> None:
    """Zeros in front of a few digits are digits."""
    assert person(typed, "SA").suffix == suffix


def test_digits_that_no_country_has_are_looked_for_whole_and_at_the_end() -> None:
    """Test numbers (555) and new ranges are in no numbering plan, and still are found."""
    assert person("15550000041", "SA") == Person(("15550000041",), "15550000041")
    assert person("+15550000041", "SA") == Person(("15550000041",))


@pytest.mark.parametrize(
    "other", ["SA.9000041", "120363000000000041", "Y2FwaV9ncm91cA==", "%", ".*", "half \ud83d", ""]
)
def test_what_is_no_number_stays_as_it_is(other: str) -> None:
    """Groups and business-scoped ids are compared whole; so is anything else."""
    assert person(other, "SA") == Person((other,))


@pytest.mark.parametrize("typed", ["1", "041", "+ 4-1"])
def test_too_few_digits_are_refused(typed: str) -> None:
    """Three digits would be half the ledger; what was typed is not repeated."""
    with pytest.raises(ConfigurationError, match="too few") as refusal:
        person(typed)
    assert "4 digits" in refusal.value.remedy


@pytest.mark.parametrize("suffix", ["041", "00.1", "٠٠٤١", "0041\n", "004%", ""])
def test_a_suffix_is_four_digits_or_more(suffix: str) -> None:
    """Nothing else reaches a store's pattern, whoever builds the filter."""
    with pytest.raises(ConfigurationError):
        Person((), suffix)


def test_spellings_that_whatsapp_has_of_its_own() -> None:
    """Mexico's 1, Argentina's 9 and Brazil's ninth digit, there or not, mean the same person."""
    assert set(person("+52 55 5000 0041").ids) == {"525550000041", "5215550000041"}
    assert set(person("+52 1 55 5000 0041").ids) == {"525550000041", "5215550000041"}
    assert set(person("+54 9 11 5000 0041").ids) == {"541150000041", "5491150000041"}
    assert set(person("+55 11 95000 0041").ids) == {"5511950000041", "551150000041"}


def test_countries() -> None:
    """A calling code of one country is its prefix; +1 and +7 go by area code, the rest of them to the largest."""
    assert country("sa").prefixes == ("966",)
    canada, states = country("CA"), country("US")
    assert {"1416", "1604", "1514"} <= set(canada.prefixes)
    assert states.prefixes == ("1",)
    assert set(canada.prefixes) <= set(states.but_not)
    assert not {"1212", "1310", "1555"} & set(states.but_not)
    russia, kazakhstan = country("RU"), country("KZ")
    assert russia.prefixes == ("7",)
    assert set(russia.but_not) == set(kazakhstan.prefixes)
    assert {"7701", "7727"} <= set(kazakhstan.prefixes)
    assert "7916" not in kazakhstan.prefixes


@pytest.mark.parametrize(("code", "said"), [("XX", "no country"), ("", "no country"), ("Saudi", "no"), ("GG", r"\+44")])
def test_no_country(code: str, said: str) -> None:
    """An unknown code, and one whose numbers cannot be told from a neighbour's, are refused with what to do."""
    with pytest.raises(ConfigurationError, match=said) as refusal:
        country(code)
    assert refusal.value.remedy


def test_numbering_plans_load_only_when_asked() -> None:
    """Importing the module loads no plan."""
    loaded = "import ticktrail.text.phone_numbers, ticktrail.text.masking, sys; print('phonenumbers' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout == "False\n"
    )
