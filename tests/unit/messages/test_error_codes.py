"""The catalogue of failure codes: complete, consistent, and the user's own words over it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from ticktrail.errors import ConfigurationError
from ticktrail.messages.error_codes import (
    Alert,
    Catalogue,
    Category,
    FailureCode,
    Retry,
    Scope,
    packaged,
    retryable_codes,
)

# Typed from the list of Meta's codes in the project's facts (error codes, groups, Marketing Messages, registration),
# and from nowhere else: at once, by rate or never, and whether the same may be sent again.
AT_ONCE = {
    *{0, 3, 10, 33, 100, 190, 368},
    *{130497, 131005, 131008, 131009, 131014, 131020, 131030, 131031, 131037, 131041, 131042, 131045, 131048},
    *{131051, 131053, 131055, 131061, 131062, 131063, 131064},
    *{131201, 131202, 131203, 131204, 131207, 131208, 131212, 131214, 131215},
    *{132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 132018, 132068, 132069},
    *{133000, 133005, 133006, 133008, 133009, 133010, 133015, 133016},
    *{134011, 134100, 134101, 134102, 135000},
}
BY_RATE = {
    *{1, 2, 4, 80007, 130429, 130472, 131000, 131016, 131026, 131047, 131049, 131056, 131057, 133004, 137000},
    *{470, 471, 1013, 1026},
}
NEVER = {613, 2026, 130403, 131021, 131050, 131052, 131060}
FAMILIES = {
    "200-299",
    "138000-138018",
    "139000-139004",
    "139100-139103",
    "147001-147005",
    "200005-200007",
    "2388000-2388999",
    "2494000-2494999",
    "2593107-2593108",
}
PASSES_BY_ITSELF = {1, 2, 131000, 131016, 131057, 133004}
WAIT_FIRST = {4, 80007, 130429, 131049, 131056, 131064, 131208, 133008, 133009, 133015, 133016, 134101}

CATALOGUE = packaged()
ENTRIES = list(CATALOGUE)


def own(**tables: Any) -> Catalogue:
    """The packaged catalogue with these tables over it; ``c131026`` stands for the code."""
    return CATALOGUE.with_own({name.removeprefix("c"): table for name, table in tables.items()}, "my.toml")


def test_every_code_of_the_list_is_there_and_no_other() -> None:
    """The catalogue lists exactly the codes and families that were typed here by hand."""
    assert {entry.code for entry in ENTRIES if entry.last is None} == AT_ONCE | BY_RATE | NEVER
    assert {entry.label for entry in ENTRIES if entry.last is not None} == FAMILIES


@pytest.mark.parametrize(("codes", "alert"), [(AT_ONCE, "at_once"), (BY_RATE, "by_rate"), (NEVER, "never")])
def test_alerts_are_those_of_the_list(codes: set[int], alert: str) -> None:
    """Each code alerts at once, by rate or never, as the list says."""
    assert {code for code in codes if CATALOGUE.lookup(code).alert != alert} == set()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.label)
def test_an_entry_can_be_shown_and_acted_upon(entry: FailureCode) -> None:
    """Every entry has a short title and advice of one or two plain sentences that end with a full stop."""
    assert 0 < len(entry.title) <= 60
    assert not entry.title.endswith(".")
    assert 20 <= len(entry.advice) <= 220
    assert entry.advice.endswith(".")
    assert len(re.findall(r"[.!?](?: |$)", entry.advice)) <= 2
    assert f"{entry.title}{entry.advice}".isprintable()
    assert entry.category != "unknown"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.label)
def test_a_wait_is_given_only_where_waiting_helps(entry: FailureCode) -> None:
    """``wait`` is positive exactly where ``retry`` is ``after``."""
    assert (entry.wait > 0) == (entry.retry == "after")


def test_the_times_that_meta_gives() -> None:
    """A day after the marketing cap, ten minutes for a template to sync, five after a number was deleted."""
    assert [CATALOGUE.lookup(code).wait for code in (131049, 134101, 133015)] == [86_400, 600, 300]


def test_only_what_passes_by_itself_or_asks_for_a_wait_is_retryable() -> None:
    """Meta's own errors and temporary limits are retryable; errors that need a fix first are not."""
    assert set(retryable_codes(CATALOGUE)) == PASSES_BY_ITSELF | WAIT_FIRST


def test_retryable_by_now_leaves_out_longer_waits() -> None:
    """After ten minutes a synced template may go out again, the marketing cap still holds; after a day it does not."""
    assert {131000, 134101} <= set(retryable_codes(CATALOGUE, waited_seconds=600))
    assert 131049 not in retryable_codes(CATALOGUE, waited_seconds=86_399)
    assert 131049 in retryable_codes(CATALOGUE, waited_seconds=86_400)


def test_entries_come_by_number() -> None:
    """Iterating goes by number, words last."""
    codes = [entry.code for entry in own(**{"c63-X": {"title": "Theirs"}})]
    assert codes[-1] == "63-X"
    assert codes[:-1] == sorted(codes[:-1])


@pytest.mark.parametrize("written", [131026, 131026.0, "131026", " 131026 ", "#131026", "(#131026)"])
def test_a_code_is_found_however_it_is_written(written: Any) -> None:
    """Numbers, MongoDB's doubles, texts and Meta's ``(#131026)`` lead to the same entry."""
    assert CATALOGUE.lookup(written).title == "Message undeliverable"


@pytest.mark.parametrize(
    ("code", "title"), [(200, "API permission missing"), (299, "API permission missing"), (2388040, "Making templates")]
)
def test_a_member_of_a_family_is_found_under_its_own_code(code: int, title: str) -> None:
    """A code inside a family has the family's entry and its own number."""
    found = CATALOGUE.lookup(code)
    assert found.title.startswith(title)
    assert (found.code, found.last, found.known) == (code, None, True)


@pytest.mark.parametrize("code", [999999, 199, 300, -1, 2**80, "63016", "EVIL\x1b[2J", "٣"])
def test_an_unknown_code_gets_an_entry_that_says_so(code: int | str) -> None:
    """Whatever is not listed is unknown, is never called retryable, and its advice says that it is counted."""
    found = CATALOGUE.lookup(code)
    assert (found.known, found.category, found.retry, found.alert) == (False, "unknown", "never", "by_rate")
    assert "counted" in found.advice


@pytest.mark.parametrize("code", ["", " ", [131026], {"code": 1}, 1.5, float("nan"), float("inf")])
def test_a_failure_without_a_code_has_advice_too(code: Any) -> None:
    """None, the empty text and what is no code at all mean that no reason was given."""
    assert CATALOGUE.lookup(code) == CATALOGUE.lookup(None)
    assert CATALOGUE.lookup(None).title == "No reason given"


@pytest.mark.parametrize(
    ("typed", "meant"), [("13126", 131026), ("131062x", 131062), ("spam", 131048), ("Payment terms", 134011)]
)
def test_help_is_near(typed: str, meant: int) -> None:
    """A slip in a number, or a word of the title, leads to the code that was meant."""
    assert meant in [entry.code for entry in CATALOGUE.close_to(typed)]


def test_own_words_go_over_the_packaged_ones_key_by_key() -> None:
    """A user's entry replaces only the keys it sets; other codes and the packaged catalogue stay the same."""
    mine = own(c131026={"advice": "Call them."}, c999999={"title": "Gateway", "class": "service", "retry": "now"})
    before, after = CATALOGUE.lookup(131026), mine.lookup(131026)
    assert (after.advice, after.title, after.retry, after.own) == ("Call them.", before.title, before.retry, True)
    assert before.advice != "Call them."
    added = mine.lookup(999999)
    assert (added.title, added.category, added.known, added.own) == ("Gateway", "service", True, True)
    assert "counted" in added.advice
    assert 999999 in retryable_codes(mine)
    assert mine.lookup(131047) == CATALOGUE.lookup(131047)


def test_own_words_for_one_member_leave_its_family_alone() -> None:
    """A table for 250 is about 250; 251 still has the family's entry."""
    mine = own(c250={"advice": "Ask Sara."})
    assert mine.lookup(250).advice == "Ask Sara."
    assert mine.lookup(251) == CATALOGUE.lookup(251)


def test_taking_back_a_retry_takes_its_wait_along() -> None:
    """``retry = "never"`` over a code with a wait is enough; the wait goes."""
    assert own(c131049={"retry": "never"}).lookup(131049).wait == 0
    assert own(c131049={"wait": 172_800}).lookup(131049).wait == 172_800


def test_a_text_over_several_lines_is_one_line() -> None:
    """TOML's long texts may have line breaks: they become spaces."""
    assert own(c131026={"advice": "Call them.\n  Then write.\n"}).lookup(131026).advice == "Call them. Then write."


@pytest.mark.parametrize(
    ("table", "named", "remedy"),
    [
        ({"retri": "now"}, "retri", "Did you mean retry?"),
        ({"colour": "red"}, "colour", "Known: title, advice"),
        ({"retry": "later"}, "retry is later", "never, now, after"),
        ({"retry": "after"}, "there is no wait", "wait = 3600"),
        ({"wait": 60}, "there is a wait", 'retry = "after"'),
        ({"retry": "after", "wait": True}, "wait is True", "whole number of seconds"),
        ({"retry": "after", "wait": 0}, "wait is 0", "from 1"),
        ({"retry": "after", "wait": 99_999_999}, "wait is 99999999", "30 days"),
        ({"retry": "after", "wait": "1h"}, "wait is 1h", "whole number of seconds"),
        ({"alert": ["at_once"]}, "alert is", "at_once, by_rate, never"),
        ({"class": "unheard"}, "class is unheard", "recipient, account"),
        ({"title": ""}, "title is empty", "at most 60"),
        ({"title": "x" * 61}, "title is xxx", "at most 60"),
        ({"advice": "y" * 501}, "advice is yyy", "at most 500"),
        ({"advice": "\x1b[31mred"}, "advice is", "advice = "),
        ({"advice": 5}, "advice is 5", "advice = "),
        ("Call them.", "is not a table", "[error_codes.131026]"),
    ],
)
def test_a_malformed_entry_is_refused_with_file_table_key_and_remedy(table: object, named: str, remedy: str) -> None:
    """The error names the invalid entry with its file and table, and shows a valid one."""
    with pytest.raises(ConfigurationError) as refused:
        own(c131026=table)
    assert str(refused.value).startswith("my.toml: [error_codes.131026]")
    assert named in str(refused.value)
    assert remedy in refused.value.remedy
    assert "\x1b" not in f"{refused.value}{refused.value.remedy}"
    assert len(str(refused.value)) < 150


@pytest.mark.parametrize("code", ["", "13 1", "x" * 41, "\x1b[2J", "131026\n"])
def test_a_table_that_names_no_code_is_refused(code: str) -> None:
    """A table's name must be one code."""
    with pytest.raises(ConfigurationError, match="is not a failure code"):
        CATALOGUE.with_own({code: {"title": "x"}}, "my.toml")


def test_something_else_under_the_name_is_refused() -> None:
    """``error_codes = 3`` is no table of codes."""
    with pytest.raises(ConfigurationError, match="error_codes is not a table"):
        CATALOGUE.with_own(3, "my.toml")


def test_the_example_in_the_docs_works_and_its_table_is_complete() -> None:
    """The how-to's ``ticktrail.toml`` is accepted, and its table names every key and every value there is."""
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "failures.md").read_text(encoding="utf-8")
    section = page.split("## Give failures your own advice\n")[1].split("\n## ")[0]
    example = section.split("```toml\n")[1].split("```")[0]
    mine = CATALOGUE.with_own(tomllib.loads(example)["error_codes"], "ticktrail.toml")
    assert mine.lookup(999999).wait == 600
    table = {row.split("`")[1]: set(re.findall(r"`(\w+)`", row)) for row in section.splitlines() if row[:3] == "| `"}
    assert set(table) == {"title", "advice", "class", "scope", "alert", "retry", "wait"}
    for key, choices in {"class": Category, "scope": Scope, "alert": Alert}.items():
        assert table[key] - {key} == set(get_args(choices))
    assert set(get_args(Retry)) <= table["retry"]
