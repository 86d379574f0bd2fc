"""The receiver's journal on disk."""

from __future__ import annotations

import json
import shutil
import stat
import sys
from pathlib import Path

import msgspec
import pytest

from ticktrail.errors import StoreRefusedError, StoreReplacedError, StoreUnavailableError
from ticktrail.stores.journal import DONE, WAITING, Journal, Webhook

PATH = "/webhook/a/webhook"


def webhook(
    number: str = "1", *, storing: int = DONE, forwarding: int = WAITING, at: float = 100.0, path: str = PATH
) -> Webhook:
    """A webhook that waits to be forwarded, by default."""
    return Webhook(
        received_at=at,
        number=number,
        path=path,
        content_type="application/json",
        signature="sha256=00",
        body=b"a customer's words",
        storing=storing,
        forwarding=forwarding,
    )


def test_what_was_appended_is_there_after_a_restart(tmp_path: Path) -> None:
    """Another journal on the same file finds every webhook, with its bytes and headers."""
    path = tmp_path / "folder" / "journal.sqlite"
    with Journal(path) as journal:
        journal.append([webhook("1", storing=WAITING), webhook("2")])
    with Journal(path) as journal:
        (to_store,) = journal.to_store(10)
        assert (to_store.body, to_store.content_type) == (b"a customer's words", "application/json")
        assert [found.number for found in journal.next_to_forward(200.0, [], 10)] == ["1", "2"]
        assert journal.state().counts == {"received": 2}


def test_a_webhook_leaves_when_it_is_stored_and_forwarded(tmp_path: Path) -> None:
    """Neither alone removes it; after both no byte of its body is left in the files."""
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.append([webhook(storing=WAITING)])
        (found,) = journal.to_store(10)
        journal.stored([found.id])
        assert journal.state().to_forward == 1
        journal.forwarded(found.id)
        state = journal.state()
        assert (state.to_store, state.to_forward, state.oldest_at) == (0, 0, None)
        assert state.counts == {"received": 1, "stored": 1, "forwarded": 1}
        journal.clear_traces()
        assert words_left(tmp_path) == []
    assert words_left(tmp_path) == []


def test_the_log_of_a_killed_process_is_cleared_too(tmp_path: Path) -> None:
    """The write-ahead log that another process left behind holds no words after the next clearing."""
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.append([webhook()])
        journal.forwarded(journal.next_to_forward(200.0, [], 1)[0].id)
        for file in tmp_path.glob("journal.sqlite*"):
            shutil.copy(file, crashed)
    assert words_left(crashed) == ["journal.sqlite-wal"]
    with Journal(crashed / "journal.sqlite") as journal:
        journal.clear_traces()
        assert words_left(crashed) == []


def words_left(folder: Path) -> list[str]:
    """Names of the files that hold a customer's words."""
    files = [file for file in folder.iterdir() if file.is_file() and not file.name.endswith("-shm")]
    return [file.name for file in files if b"a customer's words" in file.read_bytes()]


def test_a_path_that_n8n_does_not_know_holds_up_no_other(tmp_path: Path) -> None:
    """Of one number, webhooks of another path go on while those of a deactivated workflow wait."""
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.append([webhook("1", path="/webhook/b/webhook"), webhook("1"), webhook("1"), webhook("2")])
        gone = next(found for found in journal.next_to_forward(100.0, [], 10) if found.path != PATH)
        journal.postpone(gone.id, next_try_at=150.0, reason="n8n answered 404")
        assert [found.id for found in journal.next_to_forward(149.0, [], 10)] == [2, 4]
        assert [found.id for found in journal.next_to_forward(150.0, [("1", PATH)], 10)] == [1, 4]


def test_the_next_webhook_is_found_without_reading_all(tmp_path: Path) -> None:
    """With 20,000 webhooks waiting, SQLite needs about as many steps to find the next ones as with a few."""
    with Journal(tmp_path / "journal.sqlite") as journal:

        def steps() -> int:
            done = [0]

            def count() -> int:
                done[0] += 1
                return 0

            journal._connection.set_progress_handler(count, 1)
            assert [found.number for found in journal.next_to_forward(200.0, [], 10)] == ["1", "2", "3"]
            journal._connection.set_progress_handler(None, 0)
            return done[0]

        journal.append([webhook(number) for number in "123"])
        few = steps()
        journal.append([webhook(number) for number in "123" for _ in range(7_000)])
        assert 0 < steps() < 2 * few


@pytest.mark.parametrize("replaced", [False, True])
def test_nothing_is_acknowledged_in_a_file_that_is_gone(tmp_path: Path, *, replaced: bool) -> None:
    """A webhook that was written to a deleted file would be lost with it, so appending raises."""
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        journal.append([webhook()])
        path.unlink()
        if replaced:
            path.touch()
        with pytest.raises(StoreReplacedError, match="deleted or replaced"):
            journal.append([webhook()])
        assert journal.state().to_forward == 1


def test_a_full_disk_is_an_error_that_ends_with_it(tmp_path: Path) -> None:
    """While the file cannot grow, appending raises and keeps nothing; with room again, it works again."""
    if not sys.platform.startswith("linux"):
        pytest.skip("limits the size of files with setrlimit")
    import resource  # noqa: PLC0415 - Linux only

    with Journal(tmp_path / "journal.sqlite") as journal:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))
        try:
            with pytest.raises(StoreUnavailableError):
                journal.append([msgspec.structs.replace(webhook(), body=b"x" * 100_000)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        journal.append([webhook()])
        assert journal.state().to_forward == 1


def test_a_number_whose_first_webhook_waits_keeps_its_order(tmp_path: Path) -> None:
    """While the first webhook of a number is postponed, later ones of that number wait, and other numbers do not."""
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.append([webhook("1"), webhook("1"), webhook("2")])
        first = journal.next_to_forward(100.0, [], 10)[0]
        journal.postpone(first.id, next_try_at=150.0, reason="n8n answered 404")
        assert [found.number for found in journal.next_to_forward(149.0, [], 10)] == ["2"]
        assert [found.id for found in journal.next_to_forward(150.0, [("2", PATH)], 10)] == [first.id]
        assert journal.state().reasons == (("n8n answered 404", 1),)


def test_what_was_given_up_waits_again_after_a_replay(tmp_path: Path) -> None:
    """A failed webhook keeps its body, is listed with its reason, and no longer holds up its number."""
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.append([webhook(storing=WAITING), webhook()])
        first, second = (found.id for found in (journal.to_store(1)[0], journal.next_to_forward(200, [], 1)[0]))
        assert first == second
        journal.stored([], failed={first: "the store refused it"})
        journal.give_up(first, reason="n8n answered 404")
        assert journal.state().failed == 1
        assert [row[0] for row in journal.failed(10)] == [first]
        assert [found.id for found in journal.next_to_forward(200, [], 10)] == [first + 1]
        assert journal.replay(300.0) == 1
        assert [found.id for found in journal.to_store(10)] == [first]
        assert journal.next_to_forward(300.0, [], 1)[0].received_at == 300.0


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    """The journal holds what customers wrote until n8n has it, so its file has mode 600."""
    path = tmp_path / "journal.sqlite"
    Journal(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_journal_that_cannot_be_opened_names_its_setting(tmp_path: Path) -> None:
    """A folder in the place of the file is an error that names TICKTRAIL_JOURNAL."""
    with pytest.raises(StoreRefusedError, match="cannot be opened") as caught:
        Journal(tmp_path)
    assert "TICKTRAIL_JOURNAL" in caught.value.remedy


def test_a_forgotten_person_leaves_no_byte(tmp_path: Path) -> None:
    """Webhooks of the person alone are deleted in any state; those of others too wait for n8n."""

    def status(*recipients: str) -> bytes:
        statuses = [{"id": "wamid.A", "status": "sent", "recipient_id": recipient} for recipient in recipients]
        return json.dumps({"entry": [{"changes": [{"value": {"statuses": statuses}}]}]}).encode()

    who, other = "966500000041", "966500000042"
    message = json.dumps({"messages": [{"from": who, "text": {"body": "call +966 50 000 0041"}}]}).encode()
    # Half a character, as Meta writes where it cuts a text.
    cut = status(who, other).replace(b"wamid.A", rb"wamid.A\ud83d")
    bodies = [status(who), message, status(other), status(who, other), cut]
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.append([msgspec.structs.replace(webhook(storing=WAITING), body=body) for body in bodies])
        journal.give_up(1, reason="n8n did not answer")

        alone, shared = journal.concerning([who])
        journal.delete(alone)

        assert (len(alone), shared) == (2, 2)
        assert [left.body for left in journal.to_store(9)] == [status(other), status(who, other), cut]
        for number in (4, 5):
            journal.stored([number])
            journal.forwarded(number)
        journal.clear_traces()
        left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert who.encode() not in left
    assert b"50 000 0041" not in left
    assert other.encode() in left
