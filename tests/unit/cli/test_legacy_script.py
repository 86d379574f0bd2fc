"""The older command line: saving messages, exit codes and errors."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ticktrail.cli import legacy_script
from ticktrail.errors import ConfigurationError, StoreRefusedError
from ticktrail.settings.secret import Secret
from ticktrail.stores.results import Refusal, WriteReport


def test_a_refused_message_makes_the_exit_code_non_zero(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The refused message is named with its reason."""
    report = WriteReport(inserted=2, refused=(Refusal("wamid.X", "another unique index"),))
    found: Any = SimpleNamespace(save=lambda *_, **__: report)
    settings: Any = SimpleNamespace(store_url=Secret("mongodb://localhost"), instance=None)
    monkeypatch.setattr(legacy_script, "open_configured_store", lambda _: nullcontext())
    with pytest.raises(StoreRefusedError) as refused:
        legacy_script._save(found, [], settings)
    assert refused.value.exit_code == 1
    assert "[mongodb] not stored: wamid.X: another unique index" in capsys.readouterr().err


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_and_an_interruption_are_messages(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cron entry logs one sentence, as the newer commands do, and no traceback."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(legacy_script, "_run", fail)
    assert legacy_script.main([]) in {1, 130}
    assert "lost" in capsys.readouterr().err


def test_without_mongodb_nothing_is_saved_and_the_reason_is_named() -> None:
    """``TICKTRAIL_STORE`` wins over ``MONGODB_URI``, so both are named."""
    settings: Any = SimpleNamespace(store_url=Secret("/a.sqlite"), instance=None)
    with pytest.raises(ConfigurationError, match="MONGODB_URI is not set, or TICKTRAIL_STORE names a SQLite file"):
        legacy_script._save(SimpleNamespace(), [], settings)  # type: ignore[arg-type]
