"""A real n8n to test against: ``install()`` once, then ``N8n(...)``, ``start()``, and drive it.

What it does goes through n8n's own ways in: webhooks, its public API, its command line. Executions are read
with ``reader_key``, which has only the scopes that the documentation recommends.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.patience import WaitError, wait_until

from . import database
from .accounts import LAB_SCOPES, READER_SCOPES, make_api_key, open_client, set_up_owner
from .fake_meta import FakeMeta
from .installation import DEFAULT_VERSION, Installation, install
from .n8n_process import N8nProcess
from .workflows import Workflow, whatsapp_trigger

__all__ = ["DEFAULT_VERSION", "FINAL", "Installation", "InstalledWorkflow", "N8n", "N8nError", "install", "since"]

FINAL = frozenset({"success", "error", "crashed", "canceled"})

START_SECONDS = 180


def since(n8n: N8n, version: tuple[int, ...], what: str) -> None:
    """Skip the test on releases that cannot do it yet."""
    if n8n.installation.version_numbers < version:
        pytest.skip(f"n8n {n8n.installation.version} has no {what}")


class N8nError(AssertionError):
    """n8n did not come up, or refused what the lab asked of it; the message ends with its log."""


@dataclass(frozen=True)
class InstalledWorkflow:
    """A workflow that is active in n8n, under n8n's own id."""

    id: str
    workflow: Workflow


class N8n(N8nProcess):
    """A running n8n with an owner, two API keys and, as they are asked for, workflows."""

    def __init__(
        self,
        installation: Installation,
        data_folder: Path,
        *,
        port: int | None = None,
        meta: FakeMeta | None = None,
        extra_env: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(installation, data_folder, port=port, meta=meta, extra_env=extra_env)
        self.api_key = ""
        self.reader_key = ""
        self._owner: httpx2.Client | None = None
        self.client_secret = secrets.token_hex(16)
        self._credentials: dict[str, dict[str, str]] = {}
        self._installed: dict[str, InstalledWorkflow] = {}

    # coming and going

    def start(self) -> None:
        """Start it and wait until its API answers. The first start makes the owner and the keys."""
        self.spawn()
        try:
            wait_until(self._answers, "n8n's list of executions to answer", seconds=START_SECONDS)
            if not self.reader_key:
                self._owner = set_up_owner(self.base_url)
                self.api_key = make_api_key(self._owner, "lab", LAB_SCOPES)
                self.reader_key = make_api_key(self._owner, "reader", READER_SCOPES)
            for installed in self._installed.values():
                self._wait_until_listening(installed.workflow)
        except BaseException:
            self.kill()
            raise

    def restart(self, extra_env: Mapping[str, str] | None = None) -> None:
        """Stop and start it over the same data, with these variables in its environment from now on."""
        self.stop()
        self.extra_env.update(extra_env or {})
        self.start()

    def rebuild(self) -> None:
        """Start again without data: execution ids start again, workflows keep their ids and addresses.

        This is what a reinstallation does that imports exported workflows. The API keys are new ones.
        """
        self.stop()
        shutil.rmtree(self.data_folder / ".n8n")
        before, self._installed, self._credentials = dict(self._installed), {}, {}
        self.api_key = self.reader_key = ""
        self.start()
        if not before:
            return
        export = self.data_folder / "workflows.json"
        # Only an import can choose an id. The nodes follow: some releases publish only what was saved since,
        # and save only what differs.
        empty = {"active": False, "nodes": [], "connections": {}, "settings": {}}
        exported = [
            {**empty, "id": old.id, "versionId": str(uuid.uuid4()), "name": old.workflow.name}
            for old in before.values()
        ]
        export.write_text(json.dumps(exported), encoding="utf-8")
        self.run_command("import:workflow", f"--input={export}")
        for path, old in before.items():
            self._ask("PUT", f"/workflows/{old.id}", json=self._define(old.workflow))
            self.activate(old.id)
            self._wait_until_listening(old.workflow)
            self._installed[path] = old

    # workflows

    def installed(self, workflow: Workflow) -> InstalledWorkflow:
        """This workflow, active and listening; made on the first call, the same one on later calls."""
        if workflow.path not in self._installed:
            workflow_id = self.create_workflow(workflow)
            self.activate(workflow_id)
            self._wait_until_listening(workflow)
            self._installed[workflow.path] = InstalledWorkflow(workflow_id, workflow)
        return self._installed[workflow.path]

    def create_workflow(self, workflow: Workflow) -> str:
        """Create it, inactive, and return its id."""
        return str(self._ask("POST", "/workflows", json=self._define(workflow))["id"])

    def activate(self, workflow_id: str) -> None:
        """Publish it. Its webhook may answer a few seconds later only."""
        self._ask("POST", f"/workflows/{workflow_id}/activate")

    def deactivate(self, workflow_id: str) -> None:
        """Take it out of service; ``installed`` makes it again when asked for."""
        self._ask("POST", f"/workflows/{workflow_id}/deactivate")
        self._forget(workflow_id)

    def delete_workflow(self, workflow_id: str) -> None:
        """Delete it, and with it its executions."""
        self._ask("DELETE", f"/workflows/{workflow_id}")
        self._forget(workflow_id)

    # webhooks

    def fire_webhook(self, path: str, body: Mapping[str, Any]) -> httpx2.Response:
        """Post to a Webhook node, as Meta would: signed. Raises when n8n does not take it."""
        return self._fire(path, json.dumps(body).encode())

    def fire_whatsapp_trigger(
        self,
        body: Mapping[str, Any],
        workflow: InstalledWorkflow | None = None,
        *,
        client_secret: str | None = None,
    ) -> httpx2.Response:
        """Post to a WhatsApp Trigger; signed with another secret than n8n knows, it is dropped silently."""
        installed = workflow or self.installed(whatsapp_trigger())
        return self._fire(installed.workflow.path, json.dumps(body).encode(), client_secret)

    def run(self, workflow: InstalledWorkflow, body: Mapping[str, Any]) -> int:
        """Post to the workflow's trigger and return the id of the execution that this began."""
        before = self.newest_execution_id(workflow.id)
        self.fire_webhook(workflow.workflow.path, body)
        return self.execution_after(workflow.id, before)

    # executions

    def executions(self, *, include_data: bool = False, **parameters: str | int) -> dict[str, Any]:
        """One page of the public API's list, read with ``reader_key``: ``data`` and ``nextCursor``."""
        query = {"includeData": str(include_data).lower(), **parameters}
        return self._ask("GET", "/executions", key=self.reader_key, params=query)

    def execution(self, execution_id: int, *, include_data: bool = True, **parameters: str) -> dict[str, Any]:
        """One execution, read with ``reader_key``."""
        query = {"includeData": str(include_data).lower(), **parameters}
        return self._ask("GET", f"/executions/{execution_id}", key=self.reader_key, params=query)

    def listed_ids(self, workflow_id: str, **parameters: str | int) -> list[int]:
        """The ids that the first page of the list shows for a workflow, in its order, newest first."""
        query = {"includeData": "false", "workflowId": workflow_id, "limit": 250, **parameters}
        page = self._ask("GET", "/executions", key=self.reader_key, params=query)
        return [int(row["id"]) for row in page["data"]]

    def reader(self) -> httpx2.Client:
        """A client with ``reader_key``, for a test that wants the answer as it is."""
        return open_client(self.base_url, api_key=self.reader_key)

    def stop_execution(self, execution_id: int) -> None:
        """Cancel one that runs or waits."""
        try:
            self._ask("POST", f"/executions/{execution_id}/stop")
        except N8nError:
            # Older releases leave it to the button in their editor.
            assert self._owner is not None
            self._owner.post(f"/rest/executions/{execution_id}/stop").raise_for_status()

    def retry_execution(self, execution_id: int) -> int:
        """Run a failed one again, and return the id of the new one."""
        workflow_id = str(self.execution(execution_id, include_data=False)["workflowId"])
        before = self.newest_execution_id(workflow_id)
        self._ask("POST", f"/executions/{execution_id}/retry", json={"loadWorkflow": False})
        return self.execution_after(workflow_id, before)

    def delete_execution(self, execution_id: int) -> None:
        """Delete one, as pruning would."""
        self._ask("DELETE", f"/executions/{execution_id}")

    def newest_execution_id(self, workflow_id: str) -> int:
        """The highest id given so far, 0 if none; looked up in the database, as the list hides what runs."""
        with database.opened(self.database) as connection:
            return database.newest_execution_id(connection, workflow_id)

    def execution_after(self, workflow_id: str, execution_id: int) -> int:
        """Wait for an execution newer than this one, and return its id."""
        return wait_until(
            lambda: newest if (newest := self.newest_execution_id(workflow_id)) > execution_id else None,
            f"an execution of workflow {workflow_id} after {execution_id}",
        )

    def wait_for_status(self, execution_id: int, *statuses: str) -> str:
        """Wait until the execution has one of these statuses, or any final one; returns the status."""
        wanted = statuses or tuple(FINAL)

        def probe() -> str | None:
            found = str(self.execution(execution_id, include_data=False)["status"])
            return found if found in wanted else None

        return wait_until(probe, f"execution {execution_id} to be {' or '.join(wanted)}")

    def wait_until_listed(self, workflow_id: str, execution_id: int) -> None:
        """Wait until the list shows it: n8n hides it a moment longer than it runs."""
        wait_until(lambda: execution_id in self.listed_ids(workflow_id), f"execution {execution_id} to be listed")

    # inside

    def _answers(self) -> bool:
        if not self.is_running():
            raise N8nError(f"n8n ended while starting:\n{self.log_tail()}")
        try:
            with open_client(self.base_url, api_key=self.reader_key or None) as client:
                # Older releases open their own interface after the public one. What is not up is no JSON yet.
                settings = client.get("/rest/settings", timeout=20)
                executions = client.get("/api/v1/executions", params={"limit": 1}, timeout=20)
                settings.json(), executions.json()
        except (httpx2.HTTPError, ValueError):
            return False
        # Before the first owner there is no key: a refusal in JSON is an answer all the same.
        return settings.is_success and executions.status_code in {200, 401}

    def _ask(self, method: str, path: str, *, key: str | None = None, **request: Any) -> dict[str, Any]:
        with open_client(self.base_url, api_key=key or self.api_key) as client:
            answer = client.request(method, f"/api/v1{path}", **request)
        if not answer.is_success:
            said = answer.text[:2000]
            raise N8nError(f"{method} {path}: {answer.status_code} {said}\n{self.log_tail(20)}")
        return answer.json() if answer.content else {}

    def _fire(self, path: str, content: bytes, client_secret: str | None = None) -> httpx2.Response:
        key = (client_secret or self.client_secret).encode()
        headers = {
            "content-type": "application/json",
            "x-hub-signature-256": f"sha256={hmac.new(key, content, hashlib.sha256).hexdigest()}",
        }
        with open_client(self.base_url) as client:
            return client.post(f"/webhook/{path}", content=content, headers=headers).raise_for_status()

    def _define(self, workflow: Workflow) -> dict[str, Any]:
        for kind in workflow.credential_types() - self._credentials.keys():
            self._credentials[kind] = self._create_credential(kind)
        return workflow.definition(self._credentials)

    def _create_credential(self, kind: str) -> dict[str, str]:
        data = {
            "whatsAppTriggerApi": {"clientId": "100000000000001", "clientSecret": self.client_secret},
            "whatsAppApi": {"accessToken": secrets.token_hex(16), "businessAccountId": "102290129340398"},
        }[kind]
        made = self._ask("POST", "/credentials", json={"name": f"lab {kind}", "type": kind, "data": data})
        return {"id": str(made["id"]), "name": str(made["name"])}

    def _wait_until_listening(self, workflow: Workflow) -> None:
        def probe() -> bool:
            # A browser's preflight question tells whether the path is registered, and begins no execution.
            with open_client(self.base_url) as client:
                answer = client.options(f"/webhook/{workflow.path}", headers={"origin": "http://lab.invalid"})
            return "POST" in answer.headers.get("access-control-allow-methods", "")

        try:
            wait_until(probe, f"/webhook/{workflow.path} to be registered")
        except WaitError as silence:
            raise N8nError(f"{silence}\n{self.log_tail()}") from None

    def _forget(self, workflow_id: str) -> None:
        self._installed = {path: kept for path, kept in self._installed.items() if kept.id != workflow_id}
