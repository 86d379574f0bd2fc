"""The set-up: each answer is tested at once, a mistake is asked again, and nothing untested is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from ticktrail.cli import wizard
from ticktrail.errors import ConfigurationError, SourceRefusedError, SourceUnavailableError
from ticktrail.sources.n8n_api.responses import WorkflowSummary

WORKFLOWS = [
    WorkflowSummary(id="one", name="Statuses", active=True, node_types=("n8n-nodes-base.whatsAppTrigger",)),
    WorkflowSummary(id="two", name="Send", active=True, node_types=("n8n-nodes-base.whatsApp",)),
    WorkflowSummary(id="three", name="Backup", active=True, node_types=("n8n-nodes-base.cron",)),
]


class _Terminal:
    """Answers questions in order, and remembers them with what was said."""

    def __init__(self, *answers: str) -> None:
        self.answers: Iterator[str] = iter(answers)
        self.questions: list[tuple[str, object]] = []
        self.hidden: list[str] = []
        self.said: list[str] = []

    def prompt(self, question: str, *, default: str | None, hide_input: bool, err: bool) -> str:
        assert err
        self.questions.append((question, default))
        self.hidden += [question] if hide_input else []
        answer = next(self.answers)
        return answer or str(default)

    def confirm(self, question: str, *, default: bool, err: bool) -> bool:
        assert err
        self.questions.append((question, default))
        return next(self.answers) == "yes"


class _N8n:
    """An n8n that is only at one address and takes only one key."""

    def __init__(self, settings: object, _workflow_id: str, **_more: object) -> None:
        self._settings = settings

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def workflows(self) -> list[WorkflowSummary]:
        if self._settings.base_url != "https://n8n.example.com":
            raise SourceUnavailableError("n8n did not answer.", remedy="Check the address.")
        if self._settings.api_key.reveal() != "good-key":
            raise SourceRefusedError("n8n refused the key.", remedy="Make a new one.")
        return WORKFLOWS


def _run(
    terminal: _Terminal | None, monkeypatch: pytest.MonkeyPatch, folder: Path, environ: dict[str, str] | None = None,
    **given: object,
) -> str:  # fmt: skip
    monkeypatch.setattr(wizard, "N8nApi", _N8n)
    monkeypatch.setattr(wizard, "_is_interactive", lambda: terminal is not None)
    monkeypatch.setattr(wizard, "default_store_url", lambda: wizard_default(folder))
    if terminal is not None:
        monkeypatch.setattr(wizard.typer, "prompt", terminal.prompt)
        monkeypatch.setattr(wizard.typer, "confirm", terminal.confirm)
        monkeypatch.setattr(wizard, "_echo", terminal.said.append)
    arguments = {"url": None, "workflow_ids": (), "store_url": None, **given}
    wizard.run_wizard(environ=environ or {}, directory=folder, **arguments)  # type: ignore[arg-type]
    return (folder / ".env").read_text(encoding="utf-8")


def wizard_default(folder: Path) -> object:
    """The file that is proposed."""
    from ticktrail.settings.secret import Secret  # noqa: PLC0415

    return Secret(str(folder / "default.sqlite"), "")


def test_a_mistake_is_explained_and_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Address, key, workflow number and time zone: the wrong answer is followed by the reason and the question."""
    terminal = _Terminal(
        "https://wrong.example.com", "https://n8n.example.com/home/workflows",
        "bad-key", "good-key",
        "9", "1,2",
        "no", "",
        "Asia/Riad", "Europe/Berlin",
    )  # fmt: skip
    written = _run(terminal, monkeypatch, tmp_path)
    said = "\n".join(terminal.said)
    for reason in ("did not answer", "refused the key", "not a number from 1 to 2", "time zone"):
        assert reason in said
    assert "WORKFLOW_ID_WHATSAPP='one,two'" in written
    assert "TICKTRAIL_TIMEZONE='Europe/Berlin'" in written
    assert "bad-key" not in written
    assert all("not shown" in question for question in terminal.hidden)


def test_what_was_chosen_before_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Address, key, workflow and zone of an earlier run are kept by pressing Enter."""
    (tmp_path / ".env").write_text(
        "N8N_BASE_URL=https://n8n.example.com\nN8N_API_KEY=good-key\nWORKFLOW_ID_WHATSAPP=two\n"
        "TICKTRAIL_TIMEZONE=Africa/Cairo\nOTHER=kept\n"
    )
    terminal = _Terminal("", "yes", "", "no", "", "")
    written = _run(terminal, monkeypatch, tmp_path)
    assert ("Which of these? Numbers with commas", "2") in terminal.questions
    assert "two" in written
    assert "Africa/Cairo" in written
    assert "OTHER=kept" in written


def test_it_goes_back_from_mongodb_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Choosing the file takes MONGODB_URI out of ``.env``; the URI's password is never said."""
    (tmp_path / ".env").write_text("MONGODB_URI=mongodb://user:pass-word@db.example.com/n8n\n")
    terminal = _Terminal("https://n8n.example.com", "good-key", "1", "no", "", "")
    written = _run(terminal, monkeypatch, tmp_path)
    assert "MONGODB_URI" not in written
    assert "default.sqlite" in written
    assert "pass-word" not in "\n".join([*terminal.said, *(str(one) for one in terminal.questions)])


def test_a_store_that_cannot_be_written_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that is a folder is refused at once."""
    terminal = _Terminal("https://n8n.example.com", "good-key", "1", "no", str(tmp_path), "no", "b.sqlite", "")
    written = _run(terminal, monkeypatch, tmp_path)
    assert "is a folder" in "\n".join(terminal.said)
    assert "TICKTRAIL_STORE='b.sqlite'" in written


def test_without_a_terminal_the_first_fault_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked and nothing is written."""
    environ = {"N8N_API_KEY": "good-key"}
    with pytest.raises(ConfigurationError, match="--url"):
        _run(None, monkeypatch, tmp_path, environ)
    with pytest.raises(ConfigurationError, match="--url"):
        _run(None, monkeypatch, tmp_path, environ, url="not an address")
    with pytest.raises(SourceUnavailableError):
        _run(None, monkeypatch, tmp_path, environ, url="https://wrong.example.com", workflow_ids=("one",))
    assert not (tmp_path / ".env").exists()
    assert "WORKFLOW_ID_WHATSAPP=one" in _run(
        None, monkeypatch, tmp_path, environ, url="https://n8n.example.com", workflow_ids=("one",)
    )
