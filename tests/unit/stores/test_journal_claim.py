"""The claim of a receiver to its journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from ticktrail.errors import ConfigurationError
from ticktrail.stores import journal_claim
from ticktrail.stores.journal_claim import claimed, is_claimed


def test_a_journal_has_one_receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second receiver is refused while the first one has the journal, and not afterwards."""
    monkeypatch.setattr(journal_claim, "_CLAIM_SECONDS", 0.1)
    journal = tmp_path / "folder" / "journal.sqlite"
    assert not is_claimed(journal)
    with claimed(journal):
        assert is_claimed(journal)
        with pytest.raises(ConfigurationError, match="Another receiver"), claimed(journal):
            pass
        assert is_claimed(journal)
    assert not is_claimed(journal)
    with claimed(journal):
        assert is_claimed(journal)
