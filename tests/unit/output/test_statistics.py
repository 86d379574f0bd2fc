"""Figures as people and programs read them."""

from __future__ import annotations

import csv
import io
from zoneinfo import ZoneInfo

import msgspec
import pytest

from ticktrail.messages.counts import Counts, Group
from ticktrail.messages.filters import Grouping
from ticktrail.messages.grouping import Chosen
from ticktrail.output.statistics import write_report, write_rows
from ticktrail.queries.statistics import Statistics, group_document, statistics_document

ZONE = ZoneInfo("Asia/Riyadh")
MANY = Counts(
    messages=1_243, delivered=1_204, read=761, failed=24, pending=12, other=3, sent_reported=1_240,
    delivered_reported=1_204, timed=1_000, read_within_hour=400, read_within_day=600, provisional=7, groups=5, tests=1,
    conflicts=2, prices={("utility", True): 800, ("utility", False): 20, ("marketing", True): 300, (None, None): 84},
    delays={3: 900, 40: 90, 700: 10},
)  # fmt: skip


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal 100 columns wide, wherever the tests run."""
    monkeypatch.setenv("COLUMNS", "100")


def text(report: Statistics) -> str:
    """The report for people, 100 columns wide."""
    stream = io.StringIO()
    write_report(report, stream)
    return stream.getvalue()


def report(counts: Counts, **more: object) -> Statistics:
    """A report of these totals."""
    return Statistics(location="ledger.db", zone=ZONE, totals=counts, **more)  # type: ignore[arg-type]


def test_every_figure_comes_with_its_parts() -> None:
    """The exact sentences of product.md, and the notes beside the rates."""
    said = " ".join(text(report(MANY)).split())
    for sentence in (
        "delivered 97.1 % (1,204 of 1,240 sent; 12 pending, 24 failed)",
        "read ≥ 63.2 % (761 of 1,204 delivered)",
        "failed 1.9 % (24 of 1,240 sent)",
        "time to deliver median 3 s · p90 3 s · p99 40 s (1,000 measured; 36 not delivered)",
        "read within 1 h: ≥ 40.0 %, 24 h: ≥ 60.0 % of 1,000 delivered at a known time",
        "billable utility 800 (20 free) · marketing 300 · 84 without pricing, of messages that arrived",
        "mixed 2 pricing categories together: use --by category",
        "in conflict 2 delivered although WhatsApp also reported an error",
        "other 3 messages with no delivery status so far",
        "provisional 7 messages younger than 24 hours",
        "not counted 5 to groups and 1 of Meta's test messages",
    ):
        assert sentence in said


def test_few_messages_have_counts_and_no_percentage() -> None:
    """Under twenty nothing ends in a percent sign."""
    few = Counts(messages=5, delivered=3, read=1, failed=1, pending=1, sent_reported=5, delivered_reported=3)
    said = text(report(few))
    assert "3 of 5 sent; 1 pending, 1 failed (too few for a percentage)" in said
    assert "%" not in said


def test_what_never_came_is_a_dash_with_its_reason_and_the_cure() -> None:
    """A trigger that passes no “read”: no 0 %, but why, and where to change it."""
    unread = Counts(messages=50, delivered=50, sent_reported=50, delivered_reported=50, timed=50)
    said = text(report(unread, never=frozenset({"read"})))
    assert "read            — (no message ever came with “read”)" in said
    assert "“read” never came, so the trigger seems not to pass it." in said
    assert "Receive Message Status Updates" in said
    assert " 0.0 % (0 of 50 delivered)" not in said


def test_nothing_at_all_is_said_plainly() -> None:
    """An empty time has no bars, no percentages and no crash."""
    said = text(report(Counts(), by=Grouping.TEMPLATE, groups=Chosen((), 0, Counts())))
    assert "There are no messages in this period." in said
    assert "none sent" in said
    assert "%" not in said


@pytest.mark.parametrize("by", list(Grouping))
def test_hostile_names_stay_in_their_cell(by: Grouping) -> None:
    """Text from a payload cannot move the cursor, reverse the line or break the table."""
    hostile = "\x1b[31mred\r\n\u202egnp.exe [bold]x[/bold] " + "long " * 60
    group = Group(key=hostile, label=hostile, counts=MANY)
    said = text(report(MANY, by=by, groups=Chosen((group,), 1, Counts(messages=2, failed=2))))
    assert not {"\x1b", "\r", "\u202e"} & set(said)
    assert len([line for line in said.splitlines() if "gnp" in line]) == 1
    assert max(map(len, said.splitlines())) <= 100


def test_two_hours_of_one_name_show_their_offset() -> None:
    """Only where it is needed."""
    keys = ("2026-10-25T01:00+02:00", "2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00")
    groups = tuple(Group(key=key, counts=MANY) for key in keys)
    said = text(report(MANY, by=Grouping.HOUR, groups=Chosen(groups, 3, Counts())))
    assert "2026-10-25 01:00 " in said
    assert "2026-10-25 02:00+02:00" in said
    assert "2026-10-25 02:00+01:00" in said


def test_spreadsheets_take_no_name_for_a_formula() -> None:
    """A campaign called =1+1 stays text; numbers stay numbers."""
    stream = io.StringIO()
    rows = [group_document(Group(key="=1+1", counts=MANY), Grouping.CAMPAIGN, frozenset())]
    write_rows(rows, "csv", stream)
    (row,) = csv.DictReader(io.StringIO(stream.getvalue()))
    assert (row["campaign"], row["messages"], row["deliveryRate"]) == ("'=1+1", "1243", "0.970968")


def test_json_includes_messages_without_a_group() -> None:
    """A null key at the end, so that groups add up to the totals; and no recipient's number with a country."""
    groups = Chosen((Group(key="SA", label=None, counts=MANY),), 1, Counts(messages=3, failed=3))
    made = statistics_document(report(MANY, by=Grouping.COUNTRY, groups=groups, since_timestamp=1_767_258_000))
    assert [(group["country"], group["messages"]) for group in made["groups"]] == [("SA", 1_243), (None, 3)]
    assert made["since"] == "2026-01-01T12:00:00+03:00"
    assert made["totals"]["pricing"][0] == {"category": "utility", "billable": 800, "free": 20, "unknown": 0}


@pytest.mark.parametrize("width", [40, 60, 72, 80, 100, 160])
@pytest.mark.parametrize("by", list(Grouping))
def test_no_number_is_cut_at_any_width(by: Grouping, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars and the median give way first; a narrow terminal gets a block for each group instead of a table."""
    monkeypatch.setenv("COLUMNS", str(width))
    counts = msgspec.structs.replace(MANY, unconfirmed=28)
    groups = (Group(key="2026-11-22T10:00+03:00", label="a long name of a workflow", counts=counts),)
    lines = text(report(counts, by=by, groups=Chosen(groups, 1, Counts()))).splitlines()
    assert max(map(len, lines)) <= width
    shown = " ".join(" ".join(lines).split())
    wanted = ("messages", "24") if by is Grouping.ERROR else ("delivered", "97.1 %*", "63.2 %", "no status", "28")
    for word in wanted:
        assert word in shown, word


def test_a_hint_names_the_program_as_it_is_typed() -> None:
    """The command at the end of a hint can be copied."""
    stream = io.StringIO()
    write_report(
        report(MANY, by=Grouping.TEMPLATE, groups=Chosen((), 0, Counts())),
        stream,
        lambda line: line.replace("ticktrail sync", ".venv/bin/ticktrail sync"),
    )
    assert "type: .venv/bin/ticktrail sync" in " ".join(stream.getvalue().split())


def test_a_row_of_groups_adds_up_with_the_line_below() -> None:
    """Accepted messages that are in none of the columns are named below the table."""
    counts = msgspec.structs.replace(MANY, awaiting=2, unconfirmed=28)
    groups = (Group(key="order_update", counts=counts),)
    said = text(report(counts, by=Grouping.TEMPLATE, groups=Chosen(groups, 1, Counts()), sends_known=True))
    assert "accepted also counts 2 of the last hour without a status yet and 3 with another status" in said
    assert 1_243 + 28 + 2 == counts.accepted == 1_204 + 24 + 12 + 28 + 2 + 3


def test_names_are_whole_where_a_bar_would_cut_them() -> None:
    """At 100 columns there is room for a name of 18 characters, and for a short bar beside it."""
    counts = msgspec.structs.replace(MANY, unconfirmed=28)
    groups = tuple(Group(key=key, counts=counts) for key in ("offer", "payment_reminder_2"))
    said = text(report(counts, by=Grouping.TEMPLATE, groups=Chosen(groups, 2, Counts())))
    assert "payment_reminder_2" in said
    assert "median" in said
