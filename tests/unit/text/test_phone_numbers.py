"""Numbers as people type them, and the countries they belong to."""

from __future__ import annotations

import re
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.support.spellings import spellings

from ticktrail.errors import ConfigurationError
from ticktrail.text.phone_numbers import (
    Person,
    national_digits,
    number_pattern,
    parse_country,
    parse_person,
    person_id,
    with_trunk_zero,
)

ALI = "966500000041"

SEPARATORS = st.sampled_from([*" -./_()[]\u00a0\u2009\u200b\u200e\u2010\u2011\u2013\u2212\u2066\u2069\u202a\uff0d", ""])
SCRIPTS = st.sampled_from([0x30, 0x660, 0x6F0, 0x966, 0xFF10])


@pytest.mark.parametrize("typed", spellings(ALI))
def test_every_spelling_of_a_number_has_one_normal_form(typed: str) -> None:
    """A number is stored, asked for and erased under its digits, and searched for exactly in every region."""
    assert person_id(typed) == ALI
    assert parse_person(typed) == parse_person(typed, "SA") == parse_person(typed, "EG") == Person((ALI,))


@given(
    st.from_regex(r"[1-9][0-9]{7,14}", fullmatch=True),
    st.sampled_from(["", "+", "00", " +", "tel:+", "whatsapp:", "\u202a+", "'"]),
    st.lists(SEPARATORS, min_size=15, max_size=15),
    st.lists(SCRIPTS, min_size=15, max_size=15),
)
def test_any_mix_of_separators_gives_the_same_digits(
    number: str, prefix: str, separators: list[str], scripts: list[int]
) -> None:
    """Whatever is written between the digits, and in whichever script they are, the number is the same."""
    written = "".join(
        chr(zero + int(digit)) + between for digit, between, zero in zip(number, separators, scripts, strict=False)
    )
    # These two mean something: a trunk zero, and a decimal without a fraction.
    visible = unicodedata.normalize("NFKC", "".join(one for one in written if unicodedata.category(one) != "Cf"))
    assume(not re.search(r"\(\s*\d\s*\)", visible))
    assume(not re.search(r"^\d+[.,]\d{1,2}$", visible))
    assert person_id(prefix + written) == number


@given(st.text())
def test_a_normal_form_is_its_own_normal_form(text: str) -> None:
    """Normalising twice changes nothing, and no text is too odd for it."""
    name = person_id(text)
    assert person_id(name) == name


@pytest.mark.parametrize(
    "other",
    [
        "SA.9000041",
        "120363000000000041",
        "120363000000000041@g.us",
        "966500000001-1454845454",
        "123456789012345@lid",
        "Y2FwaV9ncm91cA==",
        "half \ud83d",
    ],
)
def test_an_id_that_is_not_a_number_stays_as_it_is(other: str) -> None:
    """Group ids, business-scoped user ids and linked ids are compared whole, less invisible marks around them."""
    assert person_id(f" \u200b{other}\u200e ") == other
    assert parse_person(other, "SA") == Person((other,))


@pytest.mark.parametrize("empty", ["", " ", "\u200b", "\u202a\u202c", "+", "()", "'", "%", ".*"])
def test_an_empty_recipient_is_an_error(empty: str) -> None:
    """A text without letters and digits means no person, and never everybody."""
    assert person_id(empty) is None
    with pytest.raises(ConfigurationError, match="empty") as refusal:
        parse_person(empty, "SA")
    assert refusal.value.remedy


@pytest.mark.parametrize("typed", spellings(ALI))
def test_the_pattern_of_a_number_finds_every_spelling(typed: str) -> None:
    """Erasure finds candidates with the pattern, in a store and inside a sentence."""
    pattern = number_pattern(ALI)
    # A compatibility form of the trunk zero's digits or brackets is not searched for.
    assert re.search(pattern, f"to {typed}, today")
    assert not re.search(pattern, "to 966500000042, today")


def test_a_number_within_its_country() -> None:
    """Erasure also looks for a number as workflows write it at home; numbers of other countries have no such form."""
    assert national_digits(ALI, "SA") == "0500000041"
    assert national_digits(ALI, "EG") is None
    assert national_digits(ALI, None) is None
    assert national_digits("SA.9000041", "SA") is None


def test_a_number_with_the_zero_of_its_country() -> None:
    """Erasure also looks for the mistake of keeping the zero behind the calling code."""
    assert with_trunk_zero(ALI) == "9660500000041"
    assert with_trunk_zero("15550000041") is None
    assert with_trunk_zero("SA.9000041") is None


@pytest.mark.parametrize("text", ["Room 12", "x5", "US.ENT.11815799212886844830", "9.665E+11", "cust-96650000"])
def test_a_text_with_few_digits_or_another_id_is_no_number(text: str) -> None:
    """A text with words or an extension is a number only if it has at least seven digits."""
    assert person_id(text) == text


@pytest.mark.parametrize("typed", ["0500000041", "050 000 0041", "500000041", "٠٥٠٠٠٠٠٠٤١"])
def test_a_number_as_dialled_at_home_needs_the_region(typed: str) -> None:
    """Within its country it is the whole number, or just what was typed; elsewhere the end of a number."""
    within = parse_person(typed, "SA")
    assert ALI in within.ids
    assert within.suffix is None
    assert parse_person(typed).suffix == "500000041"


@pytest.mark.parametrize(("typed", "suffix"), [("0041", "0041"), ("00 41", "0041"), ("1234567", "1234567")])
def test_a_few_digits_are_the_end_of_a_number(typed: str, suffix: str) -> None:
    """Zeros in front of a few digits are digits."""
    assert parse_person(typed, "SA").suffix == suffix


def test_digits_that_no_country_has_are_looked_for_whole_and_at_the_end() -> None:
    """Test numbers (555) and new ranges are in no numbering plan, and still are found."""
    assert parse_person("15550000041", "SA") == Person(("15550000041",), "15550000041")
    assert parse_person("+15550000041", "SA") == Person(("15550000041",))


@pytest.mark.parametrize("typed", ["1", "041", "+ 4-1"])
def test_too_few_digits_are_refused(typed: str) -> None:
    """Three digits would match too many people; the error does not repeat the input."""
    with pytest.raises(ConfigurationError, match="too few") as refusal:
        parse_person(typed)
    assert "4 digits" in refusal.value.remedy


@pytest.mark.parametrize("suffix", ["041", "00.1", "٠٠٤١", "0041\n", "004%", ""])
def test_a_suffix_is_four_digits_or_more(suffix: str) -> None:
    """The filter itself refuses other suffixes, so none of them reaches a store's pattern."""
    with pytest.raises(ConfigurationError):
        Person((), suffix)


def test_spellings_that_whatsapp_has_of_its_own() -> None:
    """Mexico's 1, Argentina's 9 and Brazil's ninth digit, there or not, mean the same person."""
    assert set(parse_person("+52 55 5000 0041").ids) == {"525550000041", "5215550000041"}
    assert set(parse_person("+52 1 55 5000 0041").ids) == {"525550000041", "5215550000041"}
    assert set(parse_person("+54 9 11 5000 0041").ids) == {"541150000041", "5491150000041"}
    assert set(parse_person("+55 11 95000 0041").ids) == {"5511950000041", "551150000041"}


def test_countries() -> None:
    """A calling code of one country is its prefix; +1 and +7 go by area code, the rest of them to the largest."""
    assert parse_country("sa").prefixes == ("966",)
    canada, states = parse_country("CA"), parse_country("US")
    assert {"1416", "1604", "1514"} <= set(canada.prefixes)
    assert states.prefixes == ("1",)
    assert set(canada.prefixes) <= set(states.but_not)
    assert not {"1212", "1310", "1555"} & set(states.but_not)
    russia, kazakhstan = parse_country("RU"), parse_country("KZ")
    assert russia.prefixes == ("7",)
    assert set(russia.but_not) == set(kazakhstan.prefixes)
    assert {"7701", "7727"} <= set(kazakhstan.prefixes)
    assert "7916" not in kazakhstan.prefixes


@pytest.mark.parametrize(
    ("code", "said"), [("XX", "not a country"), ("", "not a country"), ("Saudi", "not"), ("GG", r"\+44")]
)
def test_no_country(code: str, said: str) -> None:
    """An unknown code, and one whose numbers cannot be told from a neighbour's, are refused with what to do."""
    with pytest.raises(ConfigurationError, match=said) as refusal:
        parse_country(code)
    assert refusal.value.remedy


def test_numbering_plans_load_only_when_asked() -> None:
    """Importing the module loads no plan."""
    loaded = "import ticktrail.text.phone_numbers, ticktrail.text.masking, sys; print('phonenumbers' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout == "False\n"
    )
