"""The receiver's journal on disk."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ticktrail.errors import StoreRefusedError
from ticktrail.stores.journal import DONE, WAITING, Journal, Webhook

PATH = "/webhook/a/webhook"


def webhook(number: str = "1", *, storing: int = DONE, forwarding: int = WAITING, at: float = 100.0) -> Webhook:
    """A webhook that waits to be forwarded, unless told otherwise."""
    return Webhook(
        received_at=at,
        number=number,
        path=PATH,
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
    left = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"a customer's words" not in left


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
