"""Everything that can become of a webhook in n8n, made to happen in a real one.

Each function brings about one situation with statuses of its own, waits until n8n has it, and says what it
was: a test then reads it back, or lets the store read it, and compares. Call them in any order, repeatedly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support.patience import wait_until

from . import database, webhook_bodies, workflows
from .fake_meta import MetaSend
from .n8n_lab import N8n
from .workflows import Workflow

# The session's n8n withholds executions with more data than this; an ordinary one of the lab has about 4 KB.
DISPLAY_LIMIT_BYTES = 50_000
OVERSIZED_STATUSES = 600

Status = dict[str, Any]


@dataclass(frozen=True)
class Situation:
    """An execution, and the statuses that its webhook carried."""

    workflow_id: str
    execution_id: int
    statuses: tuple[Status, ...]
    # Of a retry: the execution that it retried.
    retry_of: int | None = None

    @property
    def message_ids(self) -> set[str]:
        """The messages that the statuses are about."""
        return {status["id"] for status in self.statuses}


@dataclass(frozen=True)
class SendSituation:
    """An execution that sent a message, and what Meta heard and answered."""

    workflow_id: str
    execution_id: int
    send: MetaSend


def succeeded(n8n: N8n, *statuses: Status, workflow: Workflow | None = None) -> Situation:
    """Statuses (unless given: sent and delivered of one message) through a Webhook node; all went well."""
    situation = _fire(n8n, workflow or workflows.webhook(), statuses or _sent_and_delivered())
    return _final(n8n, situation, "success")


def triggered(n8n: N8n, *statuses: Status) -> Situation:
    """The same through the WhatsApp Trigger: each status in a change, and so an item, of its own."""
    fired = statuses or _sent_and_delivered()
    installed = n8n.installed(workflows.whatsapp_trigger())
    body = webhook_bodies.body_of_changes(*(webhook_bodies.change(status) for status in fired))
    situation = Situation(installed.id, n8n.run(installed, body), tuple(fired))
    return _final(n8n, situation, "success")


def split(n8n: N8n) -> Situation:
    """Later nodes split the statuses into items and wrap them again: each is there three times."""
    return _final(n8n, _fire(n8n, workflows.splitter(), _sent_and_delivered()), "success")


def errored(n8n: N8n) -> Situation:
    """A node behind the trigger threw: status ``error``."""
    return _final(n8n, _fire(n8n, workflows.failing(), _sent_and_delivered()), "error")


def retried(n8n: N8n) -> Situation:
    """An execution that failed was retried, and failed again: the same statuses under two ids."""
    first = errored(n8n)
    retry_id = n8n.retry_execution(first.execution_id)
    retry = Situation(first.workflow_id, retry_id, first.statuses, retry_of=first.execution_id)
    return _final(n8n, retry, "error")


def waiting(n8n: N8n) -> Situation:
    """A Wait node put it to sleep for hours: status ``waiting``, the trigger's data already there."""
    situation = _fire(n8n, workflows.waiting(), _sent_and_delivered())
    n8n.wait_for_status(situation.execution_id, "waiting")
    return situation


def running(n8n: N8n, seconds: int = 40) -> Situation:
    """It runs for so many seconds yet: hidden from the list, and listed later below newer ids.

    ``n8n.wait_for_status(situation.execution_id)`` sits it out.
    """
    situation = _fire(n8n, workflows.late(seconds), _sent_and_delivered())
    n8n.wait_for_status(situation.execution_id, "running")
    return situation


def canceled(n8n: N8n) -> Situation:
    """Stopped by a person while it ran: the payload is only in its execution stack."""
    situation = running(n8n)
    n8n.stop_execution(situation.execution_id)
    return _final(n8n, situation, "canceled")


def crashed(n8n: N8n) -> Situation:
    """n8n was killed while it ran, and started again: the payload is only in its execution stack."""
    situation = running(n8n)
    # n8n rebuilds the run data of a crashed execution from its event log, which it writes with a delay.
    event_log = n8n.data_folder / ".n8n" / "n8nEventLog.log"
    mark = f'"executionId":"{situation.execution_id}"'
    wait_until(lambda: mark in event_log.read_text(encoding="utf-8"), "n8n's event log")
    n8n.kill()
    n8n.start()
    return _final(n8n, situation, "crashed")


def oversized(n8n: N8n) -> Situation:
    """One webhook with hundreds of statuses: more than the session's n8n shows unless asked to ignore the size."""
    statuses = tuple(webhook_bodies.status("delivered") for _ in range(OVERSIZED_STATUSES))
    return succeeded(n8n, *statuses)


def redacted(n8n: N8n) -> Situation:
    """n8n redacts it unasked, as it does when a user's private credentials were used. Since 2.11."""
    situation = succeeded(n8n)
    with database.opened(n8n.database) as connection:
        database.mark_private(connection, situation.execution_id)
    return situation


def corrupted(n8n: N8n) -> Situation:
    """Its data row is broken JSON: lists with data leave it out, and asking for it alone is an error."""
    situation = succeeded(n8n)
    with database.opened(n8n.database) as connection:
        database.corrupt_data(connection, situation.execution_id)
    return situation


def dataless(n8n: N8n) -> Situation:
    """Its data row is gone: lists with data leave it out, and alone it is not found."""
    situation = succeeded(n8n)
    with database.opened(n8n.database) as connection:
        database.lose_data(connection, situation.execution_id)
    return situation


def pruned(n8n: N8n) -> Situation:
    """It was there, and n8n deleted it."""
    situation = succeeded(n8n)
    n8n.delete_execution(situation.execution_id)
    return situation


def not_saved(n8n: N8n) -> Situation:
    """Its workflow keeps nothing of executions that succeed: an id was given, and nothing is left."""
    installed = n8n.installed(workflows.not_saved())
    statuses = _sent_and_delivered()
    before = _last_id_given(n8n)
    n8n.fire_webhook(installed.workflow.path, webhook_bodies.body(*statuses))
    given = wait_until(lambda: last if (last := _last_id_given(n8n)) > before else None, "an execution id to be given")
    wait_until(lambda: given not in n8n.listed_ids(installed.id, status="running"), "the execution to end")
    return Situation(installed.id, given, statuses)


def sent(n8n: N8n, workflow: Workflow, recipient: str) -> SendSituation:
    """One of the sending workflows sent to this recipient, on whom it depends whether Meta accepts."""
    assert n8n.meta is not None, "this n8n was started without a fake Meta"
    installed = n8n.installed(workflow)
    execution_id = n8n.run(installed, {"to": recipient, "name": "Sara"})
    n8n.wait_for_status(execution_id)
    n8n.wait_until_listed(installed.id, execution_id)
    return SendSituation(installed.id, execution_id, n8n.meta.sends[-1])


def ids_start_again(n8n: N8n) -> Situation:
    """n8n was rebuilt, same address and workflow ids: what arrives then gets an id that was used before.

    What was there is gone, and ``n8n.reader_key`` is a new one.
    """
    n8n.installed(workflows.webhook())
    n8n.rebuild()
    return succeeded(n8n)


def _fire(n8n: N8n, workflow: Workflow, statuses: tuple[Status, ...]) -> Situation:
    installed = n8n.installed(workflow)
    return Situation(installed.id, n8n.run(installed, webhook_bodies.body(*statuses)), statuses)


def _final(n8n: N8n, situation: Situation, status: str) -> Situation:
    """Wait until it ended as it should, and the list shows it."""
    ended = n8n.wait_for_status(situation.execution_id)
    assert ended == status, f"execution {situation.execution_id} ended as {ended}, not {status}"
    n8n.wait_until_listed(situation.workflow_id, situation.execution_id)
    return situation


def _sent_and_delivered() -> tuple[Status, Status]:
    message_id = webhook_bodies.new_message_id()
    return webhook_bodies.status("sent", message_id), webhook_bodies.status("delivered", message_id)


def _last_id_given(n8n: N8n) -> int:
    with database.opened(n8n.database) as connection:
        return database.last_id_given(connection)
