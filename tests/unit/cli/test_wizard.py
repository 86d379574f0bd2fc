"""The set-up: each answer is tested at once, a mistake is asked again, and nothing untested is written."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import pytest
from tests.support import n8n_database

from ticktrail.cli import questions, wizard, wizard_database
from ticktrail.errors import ConfigurationError, SourceRefusedError, SourceUnavailableError
from ticktrail.settings.loading import load_settings
from ticktrail.settings.secret import Secret
from ticktrail.sources.n8n_api.responses import WorkflowSummary
from ticktrail.sources.n8n_database.discovery import FoundDatabase

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

    def prompt(self, question: str, *, default: str | None, hide_input: bool, err: bool, **_: object) -> str:
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
            raise SourceRefusedError("n8n refused the key.", remedy="Create a new one, then: ticktrail init")
        return WORKFLOWS


def _run(
    terminal: _Terminal | None, monkeypatch: pytest.MonkeyPatch, folder: Path, environ: dict[str, str] | None = None,
    databases: Sequence[FoundDatabase] = (), **given: object,
) -> str:  # fmt: skip
    monkeypatch.setattr(wizard, "N8nApi", _N8n)
    monkeypatch.setattr(questions, "is_interactive", lambda: terminal is not None)
    monkeypatch.setattr(wizard_database, "find_databases", lambda *_, **__: list(databases))
    monkeypatch.setattr(wizard, "default_store_url", lambda: wizard_default(folder))
    if terminal is not None:
        monkeypatch.setattr(questions.typer, "prompt", terminal.prompt)
        monkeypatch.setattr(questions.typer, "confirm", terminal.confirm)
        monkeypatch.setattr(questions, "echo", terminal.said.append)
    arguments = {"url": None, "workflow_ids": (), "store_url": None, **given}
    wizard.run_wizard(environ=environ or {}, directory=folder, **arguments)  # type: ignore[arg-type]
    return (folder / ".env").read_text(encoding="utf-8")


def wizard_default(folder: Path) -> object:
    """The file that is proposed."""
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
    for reason in ("did not answer", "refused the key", "not a number from 1 to 2", "no time zone 'Asia/Riad'"):
        assert reason in said
    # The question is asked again, so no answer comes "from the command line" and no command is to be typed.
    assert "command line" not in said
    assert "ticktrail init" not in said
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


def test_a_read_only_folder_is_named_before_the_first_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ``.env`` cannot be written, nothing is asked."""
    monkeypatch.setattr(wizard.os, "access", lambda *_: False)
    terminal = _Terminal()
    with pytest.raises(ConfigurationError, match=r"\.env") as caught:
        _run(terminal, monkeypatch, tmp_path)
    assert "folder" in (caught.value.remedy or "")
    assert terminal.questions == []


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


def test_a_database_that_is_found_is_offered_and_needs_no_key(
    tmp_path: Path, n8n_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its workflows are listed at once, one of its executions is read, and no key is asked for."""
    terminal = _Terminal("yes", "https://n8n.example.com/home/workflows", "1", "no", "", "Asia/Riyadh")
    found = FoundDatabase(url=str(n8n_file), shown=str(n8n_file))
    written = _run(terminal, monkeypatch, tmp_path, databases=[found])
    said = "\n".join(terminal.said)
    assert f"Found n8n's database: {n8n_file}" in said
    assert "Workflows in it: 1" in said
    assert f"shows 1 execution of workflow {n8n_database.WORKFLOW}" in said
    assert terminal.hidden == []
    settings = load_settings({}, {}, tmp_path)
    assert settings.n8n.database_url == Secret(str(n8n_file))
    assert (settings.n8n.base_url, settings.workflow_ids) == ("https://n8n.example.com", (n8n_database.WORKFLOW,))
    assert "N8N_API_KEY" not in written


def test_a_declined_database_is_taken_out_of_the_settings(
    tmp_path: Path, n8n_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answering no continues with n8n's API and removes the setting of an earlier run."""
    (tmp_path / ".env").write_text(f"N8N_DATABASE_URL={n8n_file}\n")
    terminal = _Terminal("no", "https://n8n.example.com", "good-key", "1", "no", "", "")
    written = _run(terminal, monkeypatch, tmp_path)
    assert "N8N_DATABASE_URL" not in written
    assert "good-key" in written


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("/nothing/database.sqlite", "There is no n8n database"),
        ("postgresql://n8n:pass-word@127.0.0.1:9/n8n", "does not answer"),
    ],
)
def test_a_database_that_cannot_be_read_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, reason: str
) -> None:
    """The fault and its remedy are printed without a password, and n8n's API is used."""
    terminal = _Terminal("https://n8n.example.com", "good-key", "1", "no", "", "")
    written = _run(terminal, monkeypatch, tmp_path, databases=[FoundDatabase(url=url, shown="n8n's database")])
    said = "\n".join(terminal.said)
    assert reason in said
    assert "fix this and start again" in said
    assert "pass-word" not in said + written
    assert "N8N_DATABASE_URL" not in written


def test_a_database_whose_executions_cannot_be_read_is_not_used_unasked(
    tmp_path: Path, n8n_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without readable executions the missing right is named, and answering no continues with n8n's API."""
    with n8n_database.opened(n8n_file) as n8n:
        n8n.execute("DELETE FROM execution_data")
    found = FoundDatabase(url=str(n8n_file), shown=str(n8n_file))
    terminal = _Terminal("yes", "", "1", "no", "https://n8n.example.com", "good-key", "1", "no", "", "")
    written = _run(terminal, monkeypatch, tmp_path, databases=[found])
    assert "Grant SELECT on execution_data" in "\n".join(terminal.said)
    assert "N8N_DATABASE_URL" not in written
    assert "good-key" in written
    with pytest.raises(SourceRefusedError, match="cannot be read"):
        _run(None, monkeypatch, tmp_path, {"N8N_DATABASE_URL": str(n8n_file)}, workflow_ids=(n8n_database.WORKFLOW,))


def test_n8ns_own_role_is_named(tmp_path: Path, n8n_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the role is n8n's own, the page about a narrower role is named before the question."""
    terminal = _Terminal("yes", "", "1", "no", "", "")
    _run(
        terminal, monkeypatch, tmp_path,
        databases=[FoundDatabase(url=str(n8n_file), shown="n8n's database", is_n8ns_role=True)],
    )  # fmt: skip
    assert "a role that may only read" in "\n".join(terminal.said)


def test_a_missing_package_is_named_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL without psycopg: the command that installs it is printed."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    terminal = _Terminal("https://n8n.example.com", "good-key", "1", "no", "", "")
    found = FoundDatabase(url="postgresql://n8n@127.0.0.1/n8n", shown="n8n's database")
    _run(terminal, monkeypatch, tmp_path, databases=[found])
    said = "\n".join(terminal.said)
    assert "psycopg" in said
    assert "ticktrail[postgresql]" in said


def test_without_a_terminal_a_configured_database_is_used(
    tmp_path: Path, n8n_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N8N_DATABASE_URL of the environment is tested and written; a database that was only found is not used."""
    environ = {"N8N_DATABASE_URL": str(n8n_file)}
    written = _run(None, monkeypatch, tmp_path, environ, workflow_ids=(n8n_database.WORKFLOW,))
    assert f"N8N_DATABASE_URL='{n8n_file}'" in written
    assert "N8N_API_KEY" not in written
    (tmp_path / "other").mkdir()
    with pytest.raises(ConfigurationError, match="--url"):
        _run(None, monkeypatch, tmp_path / "other", databases=[FoundDatabase(url=str(n8n_file), shown="")])
