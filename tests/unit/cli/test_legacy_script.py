"""The older command line, saving what it prints."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from ticktrail.cli import legacy_script
from ticktrail.errors import StoreRefusedError
from ticktrail.settings.secret import Secret
from ticktrail.stores.results import Refusal, WriteReport


def test_a_refused_message_makes_the_exit_code_non_zero(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is left out in silence: the refused message is named, the others are counted."""
    report = WriteReport(inserted=2, refused=(Refusal("wamid.X", "another unique index"),))
    found: Any = SimpleNamespace(save=lambda *_, **__: report)
    settings: Any = SimpleNamespace(store_url=Secret("mongodb://localhost"), instance=None)
    monkeypatch.setattr(legacy_script, "open_configured_store", lambda _: nullcontext())
    with pytest.raises(StoreRefusedError) as refused:
        legacy_script._save(found, [], settings)
    assert refused.value.exit_code == 1
    assert "[mongodb] not stored: wamid.X: another unique index" in capsys.readouterr().err
