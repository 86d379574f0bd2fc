"""``ticktrail stats`` as a user types it; its figures against what the generator of the recordings wrote down."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.thorough

if TYPE_CHECKING:
    from .conftest import Ticktrail

DATA = Path(__file__).parents[1] / "data" / "n8n-2.41.1"
EXPECTED: dict[str, Any] = json.loads((DATA / "corpus_400_messages.expected.json").read_text(encoding="utf-8"))
RIYADH_SECONDS = 3 * 3_600


def earliest(message: dict[str, Any]) -> dict[str, int]:
    """When a recorded message first got to each status."""
    times: dict[str, int] = {}
    for one in message["events"]:
        times[one["status"]] = min(times.get(one["status"], one["timestamp"]), one["timestamp"])
    return times


def stats(ticktrail: Ticktrail, *arguments: str) -> Any:
    """The output of ``stats --format json``."""
    done = ticktrail("stats", "--store", "ledger.sqlite", "--format", "json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_totals_are_what_the_recordings_hold(ticktrail: Ticktrail, recorded_store: str) -> None:
    """Counts, rates, percentiles and reading times, worked out from the generator's own notes."""
    lives = [earliest(message) for message in EXPECTED.values()]
    arrived = [life for life in lives if life.keys() & {"delivered", "read", "played"}]
    read = [life for life in arrived if life.keys() & {"read", "played"}]
    failed = [life for life in lives if "failed" in life and life not in arrived]
    timed = [life for life in arrived if "delivered" in life]
    delays = sorted(life["delivered"] - life["sent"] for life in timed if "sent" in life)
    took = [
        min(life[name] for name in ("read", "played") if name in life) - life["delivered"]
        for life in timed
        if life.keys() & {"read", "played"}
    ]
    totals = stats(ticktrail)["totals"]
    assert (totals["messages"], totals["sent"], totals["delivered"]) == (400, 400, len(arrived))
    assert (totals["read"], totals["failed"]) == (len(read), len(failed))
    assert totals["onTheWay"] == 400 - len(arrived) - len(failed)
    assert totals["deliveryRate"] == round(len(arrived) / 400, 6)
    assert totals["readRateAtLeast"] == round(len(read) / len(arrived), 6)
    assert totals["timeToDeliver"] == {
        **{f"p{percent}": delays[math.ceil(len(delays) * percent / 100) - 1] for percent in (50, 90, 99)},
        "measured": len(delays),
        "notDelivered": 400 - len(arrived),
    }
    within = totals["readWithin"]
    assert within["deliveredAtKnownTime"] == len(timed)
    assert within["hour"] == sum(seconds <= 3_600 for seconds in took)
    assert within["day"] == sum(seconds <= 86_400 for seconds in took)


def test_groups_are_what_the_recordings_hold(ticktrail: Ticktrail, recorded_store: str) -> None:
    """Each person's messages, each hour's in Riyadh, each error's; and they add up to the totals."""
    people = Counter(message["conversation_id"] for message in EXPECTED.values())
    found = stats(ticktrail, "--by", "user")
    assert {group["user"]: group["messages"] for group in found["groups"]} == people
    assert found["groupCount"] == len(people)
    assert sum(group["delivered"] for group in found["groups"]) == found["totals"]["delivered"]
    failures = [group["failed"] for group in found["groups"]]
    assert failures == sorted(failures, reverse=True)
    hours = Counter((min(earliest(message).values()) + RIYADH_SECONDS) // 3_600 for message in EXPECTED.values())
    by_hour = stats(ticktrail, "--by", "hour")["groups"]
    assert [group["messages"] for group in by_hour] == [hours[hour] for hour in range(min(hours), max(hours) + 1)]
    (error,) = stats(ticktrail, "--by", "error")["groups"]
    assert (error["error"], error["label"], error["failed"]) == ("131026", "Message undeliverable", 24)
    lives = (
        (message["conversation_id"], {one["status"] for one in message["events"]}) for message in EXPECTED.values()
    )
    not_reached = {who for who, reached in lives if "failed" in reached and not reached & {"delivered", "read"}}
    assert error["people"] == len(not_reached)
    (country,) = stats(ticktrail, "--by", "country")["groups"]
    assert (country["country"], country["messages"]) == ("SA", 400)


def test_since_and_until_choose_by_the_time_of_sending(ticktrail: Ticktrail, recorded_store: str) -> None:
    """The two halves of the messages add up to all."""
    times = sorted(min(earliest(message).values()) for message in EXPECTED.values())
    middle = str(times[150])
    before, after = (stats(ticktrail, option, middle)["totals"]["messages"] for option in ("--until", "--since"))
    assert before == sum(moment < times[150] for moment in times)
    assert before + after == 400


def test_the_report_says_each_figure_with_its_parts(ticktrail: Ticktrail, recorded_store: str) -> None:
    """Piped, it stays text; parts beside every rate; the store and the zone in the first line."""
    done = ticktrail("stats", "--store", recorded_store)
    assert done.returncode == 0
    first, *lines = done.stdout.splitlines()
    assert first.startswith("All messages · Asia/Riyadh · ")
    assert "84.2 % (337 of 400 sent; 39 pending, 24 failed)" in done.stdout
    assert "≥ 66.2 % (223 of 337 delivered)" in done.stdout
    assert "(337 measured; 63 not delivered)" in done.stdout
    assert "\x1b" not in done.stdout
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("by", ["day", "hour", "user", "error", "category", "number", "country", "workflow"])
def test_every_grouping_fits_into_eighty_columns(ticktrail: Ticktrail, recorded_store: str, by: str) -> None:
    """Nothing is wider than the terminal, in UTF-8 and in plain ASCII."""
    for encoding in ("utf-8", "ascii"):
        done = ticktrail(
            "stats", "--store", recorded_store, "--by", by, COLUMNS="80", PYTHONUTF8="0", PYTHONIOENCODING=encoding
        )
        assert done.returncode == 0, done.stderr
        assert max(len(line) for line in done.stdout.splitlines()[1:]) <= 80
        assert done.stdout.isascii() == (encoding == "ascii")
        assert "?" not in done.stdout


@pytest.mark.parametrize(
    ("by", "lesson"),
    [
        ("campaign", '"biz_opaque_callback_data": "spring-offer"'),
        ("template", "WORKFLOW_ID_WHATSAPP"),
        ("sender", "WORKFLOW_ID_WHATSAPP"),
    ],
)
def test_an_empty_grouping_teaches_how_to_fill_it(
    ticktrail: Ticktrail, recorded_store: str, by: str, lesson: str
) -> None:
    """No empty table: what is missing, and what to put where."""
    done = ticktrail("stats", "--store", recorded_store, "--by", by, COLUMNS="80")
    assert lesson in done.stdout
    assert lesson in stats(ticktrail, "--by", by)["hint"]


def test_programs_get_rows(ticktrail: Ticktrail, recorded_store: str) -> None:
    """CSV and JSON Lines: a group a line, or the totals alone; --limit cuts, the worst first."""
    done = ticktrail("stats", "--store", recorded_store, "--by", "user", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert sum(int(row["messages"]) for row in rows) == 400
    done = ticktrail("stats", "--store", recorded_store, "--by", "user", "--format", "csv", "--limit", "1")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert row["failed"] == max((row["failed"] for row in rows), key=int)
    (total,) = csv.DictReader(io.StringIO(ticktrail("stats", "--store", recorded_store, "--format", "csv").stdout))
    assert (total["messages"], total["delivered"]) == ("400", "337")
    lines = ticktrail("stats", "--store", recorded_store, "--by", "country", "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line)["country"] for line in lines] == ["SA"]


def test_numbers_and_campaigns_have_names_from_the_settings(
    ticktrail: Ticktrail, recorded_store: str, home: Path
) -> None:
    """[numbers] in ticktrail.toml gives a sending number its name; a broken file is an error with its fix."""
    (home / "ticktrail.toml").write_text('[numbers]\n"+1 555 078-3881" = "Support"\n', encoding="utf-8")
    assert [group["label"] for group in stats(ticktrail, "--by", "number")["groups"]] == ["Support"]
    assert "Support" in ticktrail("stats", "--store", recorded_store, "--by", "number").stdout
    for broken in ("[numbers", "numbers = 7", "campaign_key = 7"):
        (home / "ticktrail.toml").write_text(broken, encoding="utf-8")
        done = ticktrail("stats", "--store", recorded_store)
        assert done.returncode == 2
        assert "ticktrail.toml" in done.stderr
        assert "Traceback" not in done.stderr


def test_no_store_no_figures(ticktrail: Ticktrail) -> None:
    """A store that does not exist is not found, and is not created."""
    done = ticktrail("stats", "--store", "nowhere.sqlite")
    assert (done.returncode, done.stdout) == (3, "")
    assert "ticktrail sync" in done.stderr
    assert not Path("nowhere.sqlite").exists()
