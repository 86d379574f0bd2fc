"""Every store, opened more than once: places that do not exist yet, several stores, several processes, one killed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from tests.support.patience import PATIENCE_SECONDS
from tests.support.records import (
    AT,
    LATER,
    MINUTE,
    NOON,
    WAMID,
    WHO,
    OpenAgain,
    accepted,
    counts,
    event,
    everything,
    one,
    portions,
    rejected,
)

from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import StatusEvent
from ticktrail.stores import Store, StoreOptions


def test_reading_a_place_that_does_not_exist_finds_and_creates_nothing(
    store: Store, nothing_was_created: Callable[[], bool]
) -> None:
    """Every question is answered with nothing, and leaves nothing behind."""
    assert store.exists() is False
    assert store.get([WAMID]) == {}
    assert store.documents([WAMID]) == {}
    assert list(store.messages(MessageFilter())) == []
    assert store.count(MessageFilter(conversation_id=WHO)) == 0
    assert list(store.sends()) == []
    assert store.exists() is False
    store.close()
    assert nothing_was_created()


def test_prepare_creates_the_place_and_may_be_repeated(store: Store, open_again: OpenAgain) -> None:
    """After ``prepare`` the place exists for everybody, and holds nothing."""
    reader = open_again()
    assert not reader.exists()
    store.prepare()
    store.prepare()
    open_again().prepare()
    assert store.exists()
    assert reader.exists()
    assert list(reader.messages(MessageFilter())) == []


def test_the_first_write_prepares_and_a_reader_opened_before_sees_it(store: Store, open_again: OpenAgain) -> None:
    """A store that found nothing finds what another one wrote since."""
    reader = open_again()
    assert reader.get([WAMID]) == {}
    store.write([event("sent")], at=AT)
    assert reader.exists()
    assert one(reader).state.latest_status == "sent"
    store.write([event("read")], at=LATER)
    assert one(reader).state.latest_status == "read"


def test_what_was_written_is_there_after_closing(store: Store, open_again: OpenAgain) -> None:
    """Closing and opening again loses nothing."""
    store.write([event("sent")], [accepted(), rejected()], at=AT)
    before = everything(store)
    store.close()
    assert everything(open_again()) == before
    assert len(list(open_again().sends())) == 2


def test_a_store_is_a_context_manager_and_says_where_it_is(open_again: OpenAgain) -> None:
    """``with`` closes it; ``location`` is a text for people and ``timezone`` the configured zone."""
    with open_again() as store:
        store.write([event("sent")], at=AT)
        assert store.location
        assert store.timezone.key == "Asia/Riyadh"
    assert one(open_again()).message_id == WAMID


def test_two_stores_on_one_place_work_at_once(store: Store, open_again: OpenAgain) -> None:
    """Two writers take turns on the same messages and end where one would."""
    other = open_again()
    for number in range(20):
        told = event("delivered", NOON + number, str(number))
        assert counts((store if number % 2 else other).write([told], at=AT))[:2] == ((0, 1) if number else (1, 0))
        assert counts((other if number % 2 else store).write([told], at=AT)) == (0, 0, 1, 0)
    assert len(one(store).history) == len(one(other).history) == 20


STATUSES = ("sent", "failed", "delivered", "read")


def start_writing(
    url: str, options: StoreOptions, batches: list[list[StatusEvent]], file: Path
) -> subprocess.Popen[str]:
    """Start a process of its own that writes these batches and says so after each."""
    file.write_bytes(msgspec.json.encode(batches))
    program = Path(__file__).with_name("writing_process.py")
    return subprocess.Popen(
        [sys.executable, str(program), url, str(options.database), str(file)], stdout=subprocess.PIPE, text=True
    )


def test_many_processes_at_once_end_in_the_same_state_as_one(
    store: Store, open_again: OpenAgain, store_url: str, store_options: StoreOptions, tmp_path: Path
) -> None:
    """Four processes create the place together and write the same events, each in its own order and portions."""
    events = [
        event(status, NOON + minute * MINUTE, str(100 * number + minute), message_id=f"wamid.{number:03}")
        for number in range(40)
        for minute, status in enumerate(STATUSES)
    ]
    chance = random.Random(20260102)  # noqa: S311 - the same shuffle every time
    processes = [
        start_writing(
            store_url,
            store_options,
            portions(chance.sample(events, len(events)), size),
            tmp_path / f"writer {size}.json",
        )
        for size in (7, 20, 33, 61)
    ]
    assert [process.wait(PATIENCE_SECONDS) for process in processes if process.communicate()] == [0, 0, 0, 0]
    found = everything(store)
    assert len(found) == 40
    for number in range(40):
        stored = found[f"wamid.{number:03}"]
        assert [(entry["status"], entry["executionId"]) for entry in stored["statusHistory"]] == [
            (status, str(100 * number + minute)) for minute, status in enumerate(STATUSES)
        ]
        assert (stored["latestStatus"], stored["statusCount"], stored["conflict"]) == ("read", 4, True)
        assert stored["firstSeenAt"] == stored["lastUpdatedAt"] == stored["lastScannedAt"]


def test_a_writer_killed_in_the_middle_leaves_every_message_whole(
    store: Store, store_url: str, store_options: StoreOptions, tmp_path: Path
) -> None:
    """Acknowledged batches of a killed process are stored, others whole or not at all; writing goes on."""
    ids = [[[f"wamid.{turn}.{batch}.{number}" for number in range(25)] for batch in range(40)] for turn in range(6)]

    def told(message_ids: list[str]) -> list[StatusEvent]:
        return [
            event(status, NOON + minute * MINUTE, str(minute), message_id=message_id)
            for message_id in message_ids
            for minute, status in enumerate(STATUSES)
        ]

    for turn, batches in enumerate(ids):
        process = start_writing(store_url, store_options, [told(batch) for batch in batches], tmp_path / "batches.json")
        assert process.stdout is not None
        with process.stdout:
            said = [next(process.stdout)]
            begun = time.monotonic()
            said.append(next(process.stdout))
            # Each turn at another moment of the third batch, which takes about as long as the second.
            time.sleep((time.monotonic() - begun) * (turn + 0.5) / 6)
            process.kill()
            said += process.stdout
        assert process.wait(PATIENCE_SECONDS) != 0, "it had ended before it was killed"
        found = everything(store)
        # A last line can be torn by the kill; batches on whole lines are stored.
        acknowledged = int([line for line in said if line.endswith("\n")][-1])
        assert {message_id for batch in batches[:acknowledged] for message_id in batch} <= set(found)
        for stored in found.values():
            assert [entry["status"] for entry in stored["statusHistory"]] == list(STATUSES)
            assert (stored["latestStatus"], stored["statusCount"]) == ("read", 4)
    report = store.write([told_again for batch in ids[-1][:4] for told_again in told(batch)], at=AT)
    assert (report.inserted + report.unchanged, report.updated, report.refused) == (100, 0, ())
