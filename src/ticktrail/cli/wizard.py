"""The command ``init``: asks for n8n (its database or API), store and time zone, tests each answer, writes ``.env``.

On a terminal, a wrong answer is explained and asked again. Without one, everything comes from options and the
environment, and the first fault ends the command. Nothing is written before every answer was tested. ``.env`` is
readable by its owner alone, and other lines in it are kept.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
from dotenv import set_key, unset_key

from ticktrail.cli import questions
from ticktrail.cli.invocation import as_typed, quoted
from ticktrail.cli.wizard_database import is_readable, offer_database, values_of, workflows_of
from ticktrail.errors import ConfigurationError, NotFoundError, SourceRefusedError
from ticktrail.settings.loading import load_settings
from ticktrail.settings.parsing import default_store_url
from ticktrail.settings.settings import Settings
from ticktrail.sources.n8n_api.api import N8nApi, RetryPolicy, Timeouts
from ticktrail.sources.n8n_api.responses import WorkflowSummary
from ticktrail.stores.opening import open_configured_store

_KEY_HELP = """n8n makes API keys under Settings > n8n API ({url}/settings/api).
If n8n asks for scopes, these four are enough: execution:list, execution:read, workflow:read, workflow:list.
If it does not, the key can do everything: protect it."""

_ADDRESS_FOR_LINKS = "n8n's address, as in the browser, for links to executions (Enter: none)"

_AT_ONCE = RetryPolicy(attempts=1, total=3.0, starting=0.0)
_THREE_SECONDS = Timeouts(connect=3.0, read=3.0)


class _Asker(msgspec.Struct, frozen=True, kw_only=True):
    """Sources of answers.

    Attributes:
        directory: the folder of ``.env``.
    """

    environ: Mapping[str, str]
    directory: Path

    def settings(self, **values: str) -> Settings:
        """Return the settings with these values in place of those of the environment and ``.env``."""
        return load_settings(values, self.environ, self.directory)


def run_wizard(
    *,
    url: str | None,
    workflow_ids: tuple[str, ...],
    store_url: str | None,
    environ: Mapping[str, str],
    directory: Path,
) -> None:
    """Ask for every setting that is not given, test it, and write all to ``.env``.

    Raises:
        ConfigurationError: the folder is read-only, or an answer is missing and there is no terminal to ask on.
        TicktrailError: n8n or the store refused an answer, and there is no terminal to ask again on.
    """
    if not os.access(directory, os.W_OK):
        raise ConfigurationError(
            f"This user may not write to {directory}, where .env belongs.",
            remedy="Change to a folder in which you may create files, then type: ticktrail init",
        )
    asker = _Asker(environ=environ, directory=directory)
    known = asker.settings()
    values = _ask_database(asker, known, url, workflow_ids) or _ask_api(asker, known, url, workflow_ids)
    values |= _ask_store(asker, known, store_url)
    values["TICKTRAIL_TIMEZONE"] = _ask_timezone(asker, known)
    path = directory / ".env"
    write_dotenv(path, values)
    names = ", ".join(name for name, value in values.items() if value is not None)
    questions.echo(f"Wrote {path}: {names}. Keep it private: it may hold a key or a password.")
    for line in next_steps(directory):
        questions.echo(as_typed(line))


def _ask_database(
    asker: _Asker, known: Settings, url: str | None, workflow_ids: tuple[str, ...]
) -> dict[str, str | None] | None:
    """Return the settings for reading n8n's database; None where there is none, or the user prefers n8n's API."""
    database = offer_database(known, asker.environ, asker.directory)
    if database is None:
        return None
    values = values_of(database) | _address_for_links(asker, known, url)
    values["WORKFLOW_ID_WHATSAPP"] = ",".join(_ask_workflows(known, workflows_of(database), workflow_ids))
    return values if is_readable(asker.settings, values) else None


def _ask_api(asker: _Asker, known: Settings, url: str | None, workflow_ids: tuple[str, ...]) -> dict[str, str | None]:
    """Return the settings for reading through n8n's API."""
    base = _ask_address(asker, known, url)
    key = _ask_key(asker, known, base)
    workflows = _ask_workflows(known, _list_workflows(asker, base, key), workflow_ids)
    values = {"N8N_BASE_URL": base, "N8N_API_KEY": key, "WORKFLOW_ID_WHATSAPP": ",".join(workflows)}
    return {**values_of(None), **values}


def _ask_address(asker: _Asker, known: Settings, url: str | None) -> str:
    def ask(given: str | None) -> str:
        text = given or questions.prompt(
            "n8n's address, as in the browser", known.n8n.base_url or None, missing="--url"
        )
        try:
            settings = asker.settings(N8N_BASE_URL=text, N8N_API_KEY="not-a-key")
        except ConfigurationError as error:
            raise ConfigurationError(str(error).replace("N8N_BASE_URL", "--url"), remedy=error.remedy) from None
        try:
            with N8nApi(settings.n8n, "", retry_policy=_AT_ONCE, timeouts=_THREE_SECONDS) as n8n:
                n8n.workflows()
        except SourceRefusedError:
            pass  # n8n answered and refused the key, so the address is right
        return settings.n8n.base_url

    return questions.until_accepted(ask, url)


def _ask_key(asker: _Asker, known: Settings, base: str) -> str:
    def ask(given: str | None) -> str:
        key = given
        if key is None:
            questions.echo(_KEY_HELP.format(url=base))
            key = questions.prompt("API key (not shown while you type)", None, missing="N8N_API_KEY", hidden=True)
        count = len(_list_workflows(asker, base, key))
        questions.echo(f"n8n accepted the key. Workflows it can see: {count}.")
        return key

    key = known.n8n.api_key.reveal() if known.n8n.api_key else None
    if (
        key
        and questions.is_interactive()
        and not questions.confirm("Use the API key that is already set?", default=True)
    ):
        key = None
    return questions.until_accepted(ask, key)


def _address_for_links(asker: _Asker, known: Settings, url: str | None) -> dict[str, str | None]:
    """Return n8n's address, which makes links to executions; it may stay empty where n8n's database is read."""

    def ask(given: str | None) -> str:
        text = given or questions.prompt(_ADDRESS_FOR_LINKS, known.n8n.base_url, missing="--url")
        return asker.settings(N8N_BASE_URL=text).n8n.base_url if text else ""

    if url is None and not questions.is_interactive():
        return {}
    return {"N8N_BASE_URL": questions.until_accepted(ask, url) or None}


def _ask_workflows(known: Settings, workflows: list[WorkflowSummary], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the workflows to read: the given ones, or those that the user picks from a list."""
    existing = {workflow.id for workflow in workflows}
    missing = [workflow_id for workflow_id in wanted if workflow_id not in existing]
    if missing:
        raise NotFoundError(
            f"--workflow: n8n shows no workflow {', '.join(missing)}.",
            remedy="Copy the id from the address of the workflow's page: …/workflow/<id>. Nothing was written.",
        )
    if wanted:
        return wanted
    candidates = [workflow for workflow in workflows if is_candidate(workflow)]
    if not candidates:
        raise NotFoundError(
            "None of the workflows that n8n shows has a WhatsApp node or a Webhook node.",
            remedy="With an API key: ask the workflow's owner to share it, or create the key as the owner. "
            "Nothing was written.",
        )
    for number, one in enumerate(candidates, 1):
        state = "active" if one.active else "NOT active"
        kind = "WhatsApp" if has_whatsapp_node(one) else "Webhook"
        questions.echo(f"  {number}  {one.name}  ({kind}, {state}, id {one.id})")
    chosen = [number for number, one in enumerate(candidates, 1) if one.id in known.workflow_ids]
    usual = [number for number, one in enumerate(candidates, 1) if has_whatsapp_node(one)]
    default = ",".join(map(str, chosen or usual or [1]))

    def ask(_: str | None) -> tuple[str, ...]:
        return _picked(
            questions.prompt("Which of these? Numbers with commas", default, missing="--workflow"), candidates
        )

    return questions.until_accepted(ask, None)


def _ask_store(asker: _Asker, known: Settings, store_url: str | None) -> dict[str, str | None]:
    """Return the settings of the store; a setting to remove is None."""
    default_file = default_store_url().reveal()

    def ask(given: str | None) -> dict[str, str | None]:
        url = given if given is not None else _choose_store(known, default_file)
        is_mongodb = url.startswith(("mongodb://", "mongodb+srv://"))
        name = "MONGODB_URI" if is_mongodb else "TICKTRAIL_STORE"
        settings = asker.settings(TICKTRAIL_STORE=url)
        with open_configured_store(settings) as store:
            state = store.check()
            if state.faults:
                raise state.faults[0]
            questions.echo(f"Messages are stored in {store.location}.")
        return {name: url, ("TICKTRAIL_STORE" if is_mongodb else "MONGODB_URI"): None}

    if store_url is None and not questions.is_interactive():
        return {}
    return questions.until_accepted(ask, store_url)


def _choose_store(known: Settings, default_file: str) -> str:
    current = known.store_url
    in_mongodb = current.reveal().startswith("mongodb")
    question = "Store the messages in MongoDB? (no: in a file on this machine)"
    if not questions.confirm(question, default=in_mongodb):
        file = default_file if in_mongodb else current.reveal()
        return questions.prompt("File", file, missing="--store")
    if in_mongodb and questions.confirm(f"Keep {current}?", default=True):
        return current.reveal()
    return questions.prompt("MongoDB URI (not shown while you type)", None, missing="--store", hidden=True)


def _ask_timezone(asker: _Asker, known: Settings) -> str:
    def ask(_: str | None) -> str:
        name = questions.prompt("Time zone for dates", known.timezone.key, missing="TICKTRAIL_TIMEZONE")
        try:
            return asker.settings(TICKTRAIL_TIMEZONE=name).timezone.key
        except ConfigurationError:
            raise ConfigurationError(
                f"There is no time zone {name!r}.",
                remedy="Use a name such as Asia/Riyadh, Europe/Berlin, America/Sao_Paulo or UTC.",
            ) from None

    return questions.until_accepted(ask, None)


def _list_workflows(asker: _Asker, base: str, key: str) -> list[WorkflowSummary]:
    settings = asker.settings(N8N_BASE_URL=base, N8N_API_KEY=key)
    with N8nApi(settings.require_n8n(workflow=False), "", retry_policy=_AT_ONCE, timeouts=Timeouts(read=10.0)) as n8n:
        return list(n8n.workflows())


def _picked(answer: str, candidates: list[WorkflowSummary]) -> tuple[str, ...]:
    chosen: list[str] = []
    for part in answer.replace(",", " ").split():
        if not part.isdigit() or not 1 <= int(part) <= len(candidates):
            raise ConfigurationError(f"{part!r} is not a number from 1 to {len(candidates)}.")
        chosen.append(candidates[int(part) - 1].id)
    if not chosen:
        raise ConfigurationError("No workflow was chosen.", remedy="Type one number or several.")
    return tuple(dict.fromkeys(chosen))


def has_whatsapp_node(workflow: WorkflowSummary) -> bool:
    """Return True for a workflow with a WhatsApp node: a trigger receives statuses, a send node shows sends."""
    return any("whatsapp" in kind.lower() for kind in workflow.node_types)


def is_candidate(workflow: WorkflowSummary) -> bool:
    """Return True for a workflow that may receive statuses: by a WhatsApp node or a plain Webhook node."""
    return has_whatsapp_node(workflow) or any(kind.endswith(".webhook") for kind in workflow.node_types)


def write_dotenv(path: Path, values: Mapping[str, str | None]) -> None:
    """Set values in a ``.env`` that only its owner can read, and remove those that are None; keep other lines."""
    path.touch(mode=0o600, exist_ok=True)
    for name, value in values.items():
        if value is not None:
            set_key(path, name, value, quote_mode="auto", encoding="utf-8")
        elif name in path.read_text(encoding="utf-8"):
            unset_key(path, name, encoding="utf-8")
    path.chmod(0o600)


def next_steps(directory: Path) -> list[str]:
    """Return what to type now, and how to schedule a sync on this system."""
    command = " ".join(quoted(part) for part in (sys.executable, "-m", "ticktrail", "sync"))
    if os.name == "nt":
        escaped = command.replace('"', '\\"')
        schedule = [
            "Every five minutes, with the Task Scheduler (as administrator, one line):",
            f'  schtasks /Create /TN Ticktrail /SC MINUTE /MO 5 /TR "cmd /c cd /d \\"{directory}\\" && {escaped}"',
        ]
    else:
        schedule = [
            "Every five minutes, with cron (crontab -e, one line):",
            f"  */5 * * * * cd {quoted(str(directory))} && {command} --format json >> ticktrail.log 2>&1".replace(
                "%", "\\%"
            ),
        ]
    return ["", "Try it:    ticktrail sync", "Then ask:  ticktrail messages --unread", "", *schedule]
