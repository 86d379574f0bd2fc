"""Care of a SQLite file: nothing of a forgotten person is left in its bytes, and copies are whole."""

from __future__ import annotations

import base64
import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ticktrail.errors import ConfigurationError, StoreRefusedError, StoreUnavailableError
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import Send, SentBy, StatusEvent
from ticktrail.stores import StoreOptions
from ticktrail.stores.sqlite.backup import back_up
from ticktrail.stores.sqlite.store import SqliteStore
from ticktrail.stores.sync_state import Run

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOON = 1_767_258_000
WHO, OTHER = "966500000077", "966500000078"
OPTIONS = StoreOptions(timezone=ZoneInfo("Asia/Riyadh"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file will be."""
    return tmp_path / "ledger.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """A store on a file that does not exist yet."""
    with SqliteStore(str(path), OPTIONS) as opened:
        yield opened


def encoded(who: str) -> bytes:
    """The base64 form of a number in a wamid: 12 digits after 3 bytes are 16 characters of their own."""
    return base64.b64encode(who.encode())


def wamid(who: str, number: int) -> str:
    """A message id as WhatsApp makes it."""
    return "wamid." + base64.b64encode(b"\x1c\x18\x0c" + who.encode() + number.to_bytes(6, "big")).decode()


def events(who: str, count: int) -> list[StatusEvent]:
    """Two statuses of each of so many messages, all first, then all second."""
    return [
        StatusEvent(
            message_id=wamid(who, number),
            status=status,
            timestamp=NOON + number + later,
            execution_id=str(number),
            workflow_id="w",
            conversation_id=who,
            errors=({"code": 131026, "details": f"to +{who}"},) if later else None,
        )
        for status, later in (("sent", 0), ("failed", 5))
        for number in range(count)
    ]


def send(who: str, number: int) -> Send:
    """An accepted send."""
    key = wamid(who, number)
    return Send(
        key=key, message_id=key, sent_by=SentBy("w", "n", "1"), status="accepted", conversation_id=who, input=f"+{who}"
    )


def bytes_on_disk(path: Path) -> bytes:
    """Everything in the folder of the store: the file, its log, whatever else."""
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


@pytest.mark.parametrize("reading", [False, True], ids=["alone", "beside a reader"])
def test_not_a_byte_of_a_forgotten_person_is_left_on_disk(path: Path, store: SqliteStore, *, reading: bool) -> None:
    """After thousands of writes that split and freed pages, number and message ids are in no file of the store."""
    mixed = [event for pair in zip(events(WHO, 1_500), events(OTHER, 1_500), strict=True) for event in pair]
    for start in range(0, len(mixed), 500):
        store.write(mixed[start : start + 500], [send(WHO, start), send(OTHER, start)], at=AT)
    refused = [{"messageId": wamid(WHO, 9_999), "reason": "too large"}]
    store.sync_state.add_run(Run(run_id="1", scope="s", began_at=AT, seconds=1.0, report={"refused": refused}))
    assert WHO.encode() in bytes_on_disk(path)
    assert encoded(WHO) in bytes_on_disk(path)
    with SqliteStore(str(path), OPTIONS) as reader:
        if reading:
            assert reader.count(MessageFilter()) == 3_000
        store.retention.forget(WHO, at=AT)
        assert store.retention.clear_traces()
    for needle in (WHO.encode(), encoded(WHO)):
        assert needle not in bytes_on_disk(path)
    assert OTHER.encode() in bytes_on_disk(path)
    assert store.count(MessageFilter()) == 1_500


def test_traces_that_a_reader_keeps_are_reported(
    path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log cannot be emptied during a reader's transaction: clear_traces returns False and succeeds later."""
    monkeypatch.setattr("ticktrail.stores.sqlite.retention._CLEARING_SECONDS", 0.2)
    store.write(events(WHO, 3), at=AT)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT COUNT(*) FROM message").fetchone()
    store.retention.forget(WHO, at=AT)
    assert not store.retention.clear_traces()
    reader.close()
    assert store.retention.clear_traces()
    assert WHO.encode() not in bytes_on_disk(path)


def test_pruned_messages_leave_no_bytes_in_what_they_took(path: Path, store: SqliteStore) -> None:
    """Pruning overwrites what it removes: a number that is not stored any more is not in the file proper."""
    store.write(events(WHO, 20), at=AT)
    assert sum(portion.messages for portion in store.retention.prune(NOON + 100)) == 20
    store.close()
    assert WHO.encode() not in path.read_bytes()


def test_a_copy_made_while_others_write_is_whole_and_of_one_moment(path: Path, store: SqliteStore) -> None:
    """Two writers at work: the copy passes every check, and each batch is in it wholly or not at all."""
    store.prepare()
    stop = threading.Event()

    def keep_writing(who: str) -> None:
        with SqliteStore(str(path), OPTIONS) as writer:
            for number in range(0, 100_000, 10):
                if stop.is_set():
                    return
                batch = [event for event in events(who, number + 10) if int(event.execution_id) >= number]
                writer.write(batch, at=AT + timedelta(seconds=number))

    threads = [threading.Thread(target=keep_writing, args=(who,)) for who in (WHO, OTHER)]
    for thread in threads:
        thread.start()
    copies = [path.with_name(f"copy-{place}.db") for place in range(3)]
    sizes = [store.retention.backup(copy) for copy in copies]
    stop.set()
    for thread in threads:
        thread.join()
    assert sizes == [copy.stat().st_size for copy in copies]
    for copy in copies:
        checked = sqlite3.connect(copy)
        assert checked.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert checked.execute("SELECT COUNT(*) % 10 FROM message").fetchone() == (0,)
        assert checked.execute("SELECT COUNT(*) FROM message WHERE status_count <> 2").fetchone() == (0,)
        checked.close()
        assert copy.stat().st_mode & 0o077 == 0
    assert sorted(file.name for file in path.parent.iterdir() if "copy" in file.name) == [copy.name for copy in copies]


def test_a_copy_can_be_opened_as_a_store(path: Path, store: SqliteStore) -> None:
    """A backup is a complete store."""
    store.write(events(WHO, 3), [send(WHO, 0)], at=AT)
    copy = path.with_name("copy.db")
    store.retention.backup(copy)
    with SqliteStore(str(copy), OPTIONS) as opened:
        assert list(opened.messages(MessageFilter())) == list(store.messages(MessageFilter()))
        assert list(opened.sends()) == list(store.sends())


def test_a_copy_never_replaces_a_file(path: Path, store: SqliteStore, tmp_path: Path) -> None:
    """A file of that name, a folder, a folder that is missing: each is refused, nothing is left lying about."""
    store.write(events(WHO, 1), at=AT)
    there = tmp_path / "there.db"
    there.write_text("precious")
    for target, words in (
        (there, "exists already"),
        (tmp_path, "is a folder"),
        (tmp_path / "no" / "x.db", "no folder"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            store.retention.backup(target)
    assert there.read_text() == "precious"
    assert {file.name.split("-")[0] for file in tmp_path.iterdir()} == {"there.db", path.name}


def test_a_damaged_store_gives_no_backup(path: Path, store: SqliteStore) -> None:
    """A backup that fails the integrity check is removed."""
    store.write(events(WHO, 200), at=AT)
    store.close()
    damaged = bytearray(path.read_bytes())
    # Cells of a page in the middle, beyond what opening looks at.
    middle = len(damaged) // 2 // 4096 * 4096
    damaged[middle : middle + 400] = b"\xff" * 400
    path.write_bytes(damaged)
    copy = path.with_name("copy.db")
    with SqliteStore(str(path), OPTIONS) as opened, pytest.raises(StoreRefusedError, match="damaged"):
        opened.retention.backup(copy)
    assert not [file for file in path.parent.iterdir() if "copy" in file.name]


def test_a_file_cannot_delete_by_itself(store: SqliteStore) -> None:
    """A time to live is refused with what to do instead."""
    store.prepare()
    with pytest.raises(ConfigurationError, match="for MongoDB") as refused:
        store.retention.set_ttl(86_400)
    assert "prune --older-than" in refused.value.remedy


class FullDisk:
    """A connection whose disk has no room for a copy."""

    def backup(self, _: sqlite3.Connection) -> None:
        """Fail as SQLite does."""
        self.execute("VACUUM")

    def execute(self, _: str) -> None:
        """Fail as SQLite does."""
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error


def test_a_full_disk_of_a_backup_is_named(tmp_path: Path) -> None:
    """The target's disk, not the store's; nothing is left there."""
    target = tmp_path / "backup.db"
    with pytest.raises(StoreUnavailableError, match=re.escape(f"that should hold {target} is full")) as caught:
        back_up(FullDisk(), target)  # type: ignore[arg-type]
    assert str(tmp_path) in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_disk_too_full_to_rebuild_the_file_is_named(
    path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Erasing needs room for a second copy of the file; the error says which disk, and how much."""
    store.write(events(WHO, 3), at=AT)
    store.retention.forget(WHO, at=AT)
    monkeypatch.setattr(store.database, "writer", FullDisk)
    with pytest.raises(StoreUnavailableError, match="may still be readable") as caught:
        store.retention.clear_traces()
    assert f"the disk of {path.parent}" in caught.value.remedy
    monkeypatch.undo()
    assert store.retention.clear_traces()


def test_unfinished_copies_of_killed_backups_are_removed(tmp_path: Path, path: Path, store: SqliteStore) -> None:
    """Those not written to for an hour; a backup that is running, and files of others, stay."""
    store.write(events(WHO, 3), at=AT)
    folder = tmp_path / "backups"
    folder.mkdir()
    old, young, other = folder / ".a.db.0123abcd.part", folder / ".b.db.89ef4567.part", folder / ".download.part"
    for file in (old, Path(f"{old}-journal"), young, other):
        file.write_bytes(b"SQLite format 3")
    for file in (old, Path(f"{old}-journal"), other):
        os.utime(file, (time.time() - 4_000,) * 2)
    store.retention.backup(folder / "new.db")
    assert {file.name for file in folder.iterdir()} == {"new.db", young.name, other.name}
