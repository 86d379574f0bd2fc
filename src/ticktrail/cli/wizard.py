"""``ticktrail init``: ask for the n8n address and key, test them, choose workflows, write ``.env``, say what next.

Only what was asked for is written, into the ``.env`` of the working directory, beside what stands there already. The
file is readable by its owner alone. Nothing is written before n8n has accepted the key.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import typer
from dotenv import set_key

from ticktrail.errors import ConfigurationError, NotFoundError
from ticktrail.settings.settings import Settings, load_settings
from ticktrail.sources.n8n_api.api import BRIEF, N8nApi
from ticktrail.sources.n8n_api.responses import WorkflowSummary

_KEY_HELP = """n8n makes the key under Settings > n8n API ({url}/settings/api).
Where n8n shows a box for scopes, four are enough: execution:list, execution:read, workflow:read, workflow:list.
Where it shows none, the key can do everything: protect it."""


def run_wizard(
    *,
    url: str | None,
    workflow_ids: tuple[str, ...],
    store_url: str | None,
    environ: Mapping[str, str],
    directory: Path,
) -> None:
    """Go through the set-up; what is given as an argument is not asked for.

    Raises:
        ConfigurationError: an answer is missing and nobody is there to ask.
        TicktrailError: n8n does not accept what was given; nothing was written then.
    """
    known = load_settings({}, environ, directory)
    url = url or _ask("n8n's address, as in the browser", known.n8n.base_url or None, missing="--url")
    base = load_settings({"N8N_BASE_URL": url}, environ, directory).n8n.base_url
    key = known.n8n.api_key.reveal() if known.n8n.api_key else ""
    if key and _interactive() and not typer.confirm("Use the API key that is set already?", default=True, err=True):
        key = ""
    if not key:
        typer.echo(_KEY_HELP.format(url=base), err=True)
        key = _ask("API key (not shown while you type)", None, missing="N8N_API_KEY", hidden=True)
    settings = load_settings({"N8N_BASE_URL": base, "N8N_API_KEY": key}, environ, directory)
    chosen = _choose_workflows(settings, workflow_ids)
    values = {"N8N_BASE_URL": base, "N8N_API_KEY": key, "WORKFLOW_ID_WHATSAPP": ",".join(chosen)}
    undecided = store_url is None and known.store_url == load_settings({}, {}, Path()).store_url
    question = "Keep the messages in MongoDB? (no: in a file on this machine)"
    if undecided and _interactive() and typer.confirm(question, default=False, err=True):
        store_url = _ask("MongoDB URI", None, missing="--store")
    if store_url is not None:
        name = "MONGODB_URI" if store_url.startswith("mongodb") else "TICKTRAIL_STORE"
        load_settings({name: store_url}, environ, directory)
        values[name] = store_url
    path = directory / ".env"
    write_dotenv(path, values)
    typer.echo(f"Wrote {path}: {', '.join(values)}. Keep it to yourself, it holds the key.", err=True)
    for line in next_steps(directory):
        typer.echo(line, err=True)


def _choose_workflows(settings: Settings, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The workflows to read: those asked for, proven to be there, or those the user picks from a list."""
    with N8nApi(settings.require_n8n(workflow=False), "", patience=BRIEF) as n8n:
        there = n8n.workflows()
    typer.echo(f"n8n accepted the key. Workflows it shows: {len(there)}.", err=True)
    if wanted:
        missing = [workflow_id for workflow_id in wanted if workflow_id not in {one.id for one in there}]
        if missing:
            raise NotFoundError(
                f"n8n shows this key no workflow {', '.join(missing)}.",
                remedy="Copy the id from the address of the workflow's page: …/workflow/<id>. Nothing was written.",
            )
        return wanted
    candidates = [one for one in there if is_candidate(one)]
    if not candidates:
        raise NotFoundError(
            "None of the workflows this key can see has a WhatsApp node or a Webhook node.",
            remedy="Ask the workflow's owner to share it with you, or make the key as the owner. Nothing was written.",
        )
    for number, one in enumerate(candidates, 1):
        state = "active" if one.active else "NOT active"
        kind = "WhatsApp" if has_whatsapp_node(one) else "Webhook"
        typer.echo(f"  {number}  {one.name}  ({kind}, {state}, id {one.id})", err=True)
    default = ",".join(str(number) for number, one in enumerate(candidates, 1) if has_whatsapp_node(one)) or "1"
    answer = _ask("Which of these? Numbers with commas", default, missing="--workflow")
    return _picked(answer, candidates)


def _picked(answer: str, candidates: list[WorkflowSummary]) -> tuple[str, ...]:
    chosen: list[str] = []
    for part in answer.replace(",", " ").split():
        if not part.isdigit() or not 1 <= int(part) <= len(candidates):
            raise ConfigurationError(
                f"{part!r} is none of the numbers 1 to {len(candidates)}.", remedy="Type: ticktrail init"
            )
        chosen.append(candidates[int(part) - 1].id)
    return tuple(dict.fromkeys(chosen))


def has_whatsapp_node(workflow: WorkflowSummary) -> bool:
    """Whether a workflow has a WhatsApp node: a trigger receives statuses, a send node tells of sends."""
    return any("whatsapp" in kind.lower() for kind in workflow.node_types)


def is_candidate(workflow: WorkflowSummary) -> bool:
    """Whether a workflow may receive statuses: by a WhatsApp node or a plain Webhook node."""
    return has_whatsapp_node(workflow) or any(kind.endswith(".webhook") for kind in workflow.node_types)


def write_dotenv(path: Path, values: Mapping[str, str]) -> None:
    """Set values in a ``.env``, which is readable by its owner alone; other lines stay as they are."""
    path.touch(mode=0o600, exist_ok=True)
    for name, value in values.items():
        set_key(path, name, value, quote_mode="auto", encoding="utf-8")
    path.chmod(0o600)


def next_steps(directory: Path) -> list[str]:
    """What to type now, and how to schedule it on this system."""
    command = " ".join(_quoted(part) for part in (sys.executable, "-m", "ticktrail", "sync"))
    if os.name == "nt":
        escaped = command.replace('"', '\\"')
        schedule = [
            "Every five minutes, with the Task Scheduler (as administrator, one line):",
            f'  schtasks /Create /TN Ticktrail /SC MINUTE /MO 5 /TR "cmd /c cd /d \\"{directory}\\" && {escaped}"',
        ]
    else:
        schedule = [
            "Every five minutes, with cron (crontab -e, one line):",
            f"  */5 * * * * cd {_quoted(str(directory))} && {command} --format json >> ticktrail.log 2>&1".replace(
                "%", "\\%"
            ),
        ]
    return ["", "Try it:    ticktrail sync", "Then ask:  ticktrail messages --unread", "", *schedule]


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text else text


def _interactive() -> bool:
    return sys.stdin.isatty()


def _ask(question: str, default: str | None, *, missing: str, hidden: bool = False) -> str:
    if not _interactive():
        if default:
            return default
        raise ConfigurationError(
            f"{missing} is not given and nobody is here to ask.",
            remedy="Example: N8N_API_KEY=… ticktrail init --url https://n8n.example.com --workflow bcHn4wXXcVuTsjYB",
        )
    answer: str = typer.prompt(question, default=default, hide_input=hidden, err=True)
    return answer.strip()
