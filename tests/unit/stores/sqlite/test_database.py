"""A store file that is deleted or replaced while it is open: no write goes into the old file unnoticed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ticktrail.errors import StoreReplacedError
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import Send, StatusEvent
from ticktrail.stores import StoreOptions
from ticktrail.stores.coverage import Change, Facts
from ticktrail.stores.sqlite.store import SqliteStore

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows does not delete open files")

OPTIONS = StoreOptions(timezone=ZoneInfo("Asia/Riyadh"))
AT = datetime(2026, 1, 2, tzinfo=UTC)


def sent(number: int, recipient: str = "966500000001") -> StatusEvent:
    """A status of message ``wamid.<number>``."""
    return StatusEvent(
        message_id=f"wamid.{number}",
        status="sent",
        timestamp=1_767_258_000 + number,
        execution_id=str(number),
        workflow_id="w",
        conversation_id=recipient,
    )


def ids(path: Path) -> set[str]:
    """The messages that the file at the path holds, read by a store of its own."""
    with SqliteStore(str(path), OPTIONS) as store:
        return {message.message_id for message in store.messages(MessageFilter())}


def remove(path: Path) -> None:
    """Delete a store file with its log."""
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        name.unlink(missing_ok=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of the store file."""
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """An open store that has written one message."""
    with SqliteStore(str(path), OPTIONS) as store:
        store.write([sent(1)], at=AT)
        yield store


@pytest.mark.parametrize("way", ["deleted", "replaced", "moved away"])
def test_the_next_write_fails_and_the_one_after_it_reaches_the_new_file(
    store: SqliteStore, path: Path, way: str
) -> None:
    """The error names the file; the store then opens what is at the path."""
    other = path.with_name("other.db")
    with SqliteStore(str(other), OPTIONS) as elsewhere:
        elsewhere.write([sent(9)], at=AT)
    if way == "moved away":
        path.rename(path.with_name("old.db"))
    else:
        remove(path)
    if way == "replaced":
        other.rename(path)
    with pytest.raises(StoreReplacedError, match="deleted or replaced"):
        store.write([sent(2)], at=AT)
    assert store.write([sent(3)], at=AT).inserted == 1
    store.close()
    assert ids(path) == ({"wamid.9", "wamid.3"} if way == "replaced" else {"wamid.3"})


def test_a_write_during_which_the_file_is_deleted_fails(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite commits into the deleted file; the store does not report that as stored."""

    def accepted(_: object, events: Sequence[StatusEvent], sends: Sequence[Send]) -> tuple[Any, Any, int]:
        remove(path)
        return events, sends, 0

    monkeypatch.setattr(store.retention, "accepted", accepted)
    with pytest.raises(StoreReplacedError):
        store.write([sent(2)], at=AT)
    assert not path.exists()


def test_the_sync_state_and_the_alerts_notice_it_too(store: SqliteStore, path: Path) -> None:
    """Each of them writes to the same file."""
    for write in (
        lambda: store.sync_state.save_coverage("scope", Change(facts=Facts(newest_id=1))),
        lambda: store.alert_state.record_firing("key", "sync", "title", at=AT),
        lambda: store.retention.keep_since(1_700_000_000),
        lambda: store.retention.forget("966500000009", at=AT),
    ):
        remove(path)
        with pytest.raises(StoreReplacedError):
            write()
        write()


def test_a_reader_reads_the_file_at_the_path(store: SqliteStore, path: Path) -> None:
    """A process that only reads opens the new file without an error; a deleted one is no store."""
    with SqliteStore(str(path), OPTIONS) as reader:
        assert reader.count(MessageFilter()) == 1
        store.close()
        remove(path)
        assert (reader.count(MessageFilter()), reader.exists()) == (0, False)
        with SqliteStore(str(path), OPTIONS) as other:
            other.write([sent(2), sent(3)], at=AT)
        assert reader.count(MessageFilter()) == 2


def test_the_new_file_is_filtered_by_its_own_erasures(store: SqliteStore, path: Path) -> None:
    """The people erased from the old file are not those erased from the new one; the old log is not played into it."""
    copy = path.with_name("copy.db")
    store.close()
    shutil.copyfile(path, copy)
    store.retention.forget("966500000002", at=AT)
    assert store.write([sent(4, "966500000002"), sent(5, "966500000003")], at=AT).left_out == 1
    with SqliteStore(str(copy), OPTIONS) as elsewhere:
        elsewhere.retention.forget("966500000003", at=AT)
    copy.rename(path)
    with pytest.raises(StoreReplacedError):
        store.prepare()
    assert store.write([sent(6, "966500000002"), sent(7, "966500000003")], at=AT).left_out == 1
    store.close()
    assert ids(path) == {"wamid.1", "wamid.6"}
