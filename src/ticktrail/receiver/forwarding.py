"""Take webhooks from the journal: statuses to the store, the rest to n8n, in order for each phone number."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import httpx2
import msgspec

from ticktrail.errors import TicktrailError
from ticktrail.receiver.contents import read_contents
from ticktrail.stores import Store
from ticktrail.stores.journal import Journal, Webhook

log = logging.getLogger(__name__)

GIVE_UP_SECONDS = 7 * 86_400
"""Meta repeats a webhook for seven days; longer than that we do not try either."""

_PARALLEL = 4
_BATCH = 100
"""Webhooks stored at a time. While they are noted as stored, appending waits: with 500, p99 of the answers was 34 ms,
with 100 it is 21 ms."""
_LONGEST_WAIT_SECONDS = 300.0
_IDLE_SECONDS = 1.0
_TIMEOUT_SECONDS = 30.0
_CLEAR_SECONDS = 10.0
"""Longest time that texts of delivered webhooks stay in the journal's write-ahead log."""
_UNHEARD = {"message": "Webhook call received"}
"""n8n's answer when the signature or the trigger's filter did not match: no execution was started."""


class Outcome(msgspec.Struct, frozen=True):
    """Result of one attempt to forward: delivered, or the reason why not. ``unheard``: n8n started no execution."""

    reason: str | None = None
    unheard: bool = False


def read_answer(status: int, content_type: str, body: bytes) -> Outcome:
    """Judge n8n's answer. Only 200 means that n8n has the webhook, and not with every body.

    * The WhatsApp Trigger answers ``200 text/html firstEntryJson``, the Webhook node JSON or nothing: delivered.
    * While n8n migrates its database, it answers ``200 text/html "n8n is starting up"`` and drops the webhook.
    * A page comes from a proxy, or from a server that is not n8n.
    """
    if status != 200:
        return Outcome(f"n8n answered {status}")
    if b"n8n is starting up" in body[:500]:
        return Outcome("n8n is starting up")
    if body.lstrip()[:1] == b"<":
        return Outcome("n8n answered 200 with a page")
    if "json" not in content_type.lower():
        return Outcome()
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Outcome("n8n answered 200 with broken JSON")
    return Outcome(unheard=answer == _UNHEARD)


def wait_after(attempts: int, *, chance: float) -> float:
    """Seconds until the next attempt: doubling from one second to five minutes, with 20 % jitter either way.

    Args:
        attempts: failed ones so far, 1 or more.
        chance: between 0 and 1.
    """
    return min(_LONGEST_WAIT_SECONDS, 2.0 ** min(attempts - 1, 16)) * (0.8 + 0.4 * chance)


class Deliverer:
    """Two threads that empty the journal until :meth:`close`.

    Args:
        open_store: opens the store of this process; called again after an error.
        forward_url: n8n's inner address, without a path; None when nothing is forwarded.
        clock: the current time as Unix seconds.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        open_store: Callable[[], Store],
        forward_url: str | None,
        instance: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._journal = journal
        self._open_store = open_store
        self._forward_url = forward_url
        self._instance = instance
        self._clock = clock
        self._stop = threading.Event()
        self._cleared_at = clock()
        self._news = {name: threading.Event() for name in ("store", "forward")}
        self.problems: dict[str, str] = {}
        """Current problem of each thread, by ``store`` and ``forward``; empty when all is well."""
        self._threads = [threading.Thread(target=self._store_all, name="receiver-store")]
        if forward_url is not None:
            self._threads.append(threading.Thread(target=self._forward_all, name="receiver-forward"))
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Say that the journal has something new."""
        for event in self._news.values():
            event.set()

    def close(self) -> None:
        """Finish what is under way, then end. What waits stays in the journal."""
        self._stop.set()
        self.wake()
        for thread in self._threads:
            thread.join()

    def _pause(self, name: str, seconds: float) -> bool:
        """Wait for news; return True when there was none."""
        had_news = self._news[name].wait(seconds)
        self._news[name].clear()
        return not had_news

    def _clear_traces(self, *, is_idle: bool) -> None:
        """Clear the journal's log when nothing happens, and now and then under load, because appending waits for it."""
        if is_idle or abs(self._clock() - self._cleared_at) > _CLEAR_SECONDS:
            self._journal.clear_traces()
            self._cleared_at = self._clock()

    def _store_all(self) -> None:
        failures = 0
        is_idle = False
        store: Store | None = None
        while not self._stop.is_set():
            try:
                if store is None:
                    store = self._open_store()
                is_busy = self.store_batch(store)
                self._clear_traces(is_idle=is_idle)
                self._fine("store")
                failures = 0
            except Exception as error:  # noqa: BLE001 - no error may end this thread
                failures += 1
                self._report("store", error)
                if store is not None:
                    store.close()
                store, is_busy = None, False
                self._stop.wait(self._wait_after(failures))
            is_idle = not is_busy and self._pause("store", _IDLE_SECONDS)
        if store is not None:
            store.close()

    def store_batch(self, store: Store) -> bool:
        """Store the statuses of the oldest webhooks. Returns whether there may be more.

        Raises:
            TicktrailError: the store is unavailable; nothing was lost.
        """
        webhooks = self._journal.to_store(_BATCH)
        if not webhooks:
            return False
        read = {webhook.id: read_contents(webhook.body, int(webhook.received_at)) for webhook in webhooks}
        report = store.write(
            [event for contents in read.values() for event in contents.events],
            at=datetime.fromtimestamp(self._clock(), UTC),
            instance=self._instance,
        )
        reasons = {refusal.key: refusal.reason for refusal in report.refused}
        failed: dict[int, str] = {}
        for number, contents in read.items():
            refused = [reasons[event.message_id] for event in contents.events if event.message_id in reasons]
            if reason := refused[0] if refused else contents.problem:
                failed[number] = reason
        self._journal.stored([number for number in read if number not in failed], failed=failed)
        if failed:
            log.warning("Statuses of %d webhooks could not be stored; see ticktrail receive --status.", len(failed))
        return len(webhooks) == _BATCH

    def _forward_all(self) -> None:
        under_way: dict[tuple[str, str], Future[None]] = {}
        failures = 0
        is_idle = False
        with (
            httpx2.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=False) as client,
            ThreadPoolExecutor(_PARALLEL, thread_name_prefix="forward") as pool,
        ):
            while not self._stop.is_set():
                under_way = {queue: task for queue, task in under_way.items() if not task.done()}
                due: list[Webhook] = []
                try:
                    if len(under_way) < _PARALLEL:
                        due = self._journal.next_to_forward(self._clock(), under_way, _PARALLEL - len(under_way))
                    self._clear_traces(is_idle=is_idle)
                    failures = 0
                except Exception as error:  # noqa: BLE001 - no error may end this thread
                    failures += 1
                    self._report("forward", error)
                    self._stop.wait(self._wait_after(failures))
                for webhook in due:
                    task = pool.submit(self._forward, client, webhook)
                    task.add_done_callback(lambda _: self._news["forward"].set())
                    under_way[webhook.queue] = task
                is_idle = not due and self._pause("forward", _IDLE_SECONDS)

    def _forward(self, client: httpx2.Client, webhook: Webhook) -> None:
        try:
            self.forward(client, webhook)
        except Exception as error:  # noqa: BLE001 - without a pause, this webhook would be sent again at once
            self._report("forward", error)
            self._stop.wait(_LONGEST_WAIT_SECONDS)

    def forward(self, client: httpx2.Client, webhook: Webhook) -> None:
        """Send one webhook to n8n with the bytes and headers that Meta sent, and note the outcome."""
        outcome = self._send(client, webhook)
        if outcome.reason is None:
            self._note(lambda: self._journal.forwarded(webhook.id, unheard=outcome.unheard))
            self._fine("forward")
            if outcome.unheard:
                log.warning(
                    "n8n answered a webhook without starting an execution: the trigger's app secret differs from "
                    "WHATSAPP_APP_SECRET, or its filter drops this kind of webhook."
                )
            return
        reason, now = outcome.reason, self._clock()
        if now - webhook.received_at >= GIVE_UP_SECONDS:
            self._note(lambda: self._journal.give_up(webhook.id, reason=reason))
            log.error("Gave up forwarding a webhook to n8n after 7 days: %s.", reason)
            return
        self._report("forward", reason)
        next_try_at = now + self._wait_after(webhook.attempts + 1)
        self._note(lambda: self._journal.postpone(webhook.id, next_try_at=next_try_at, reason=reason))

    def _send(self, client: httpx2.Client, webhook: Webhook) -> Outcome:
        headers = {"x-hub-signature-256": webhook.signature or "", "content-type": webhook.content_type or ""}
        try:
            answer = client.post(
                f"{self._forward_url}{webhook.path}",
                content=webhook.body,
                # As bytes, because a header may hold any.
                headers=[(name.encode(), value.encode("latin-1")) for name, value in headers.items() if value],
            )
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return Outcome(f"n8n does not answer ({type(error).__name__})")
        return read_answer(answer.status_code, answer.headers.get("content-type", ""), answer.content)

    def _note(self, change: Callable[[], None]) -> None:
        """Write an outcome to the journal; while that fails, try again, because n8n would get the webhook twice."""
        failures = 0
        while True:
            try:
                change()
            except TicktrailError as error:
                failures += 1
                self._report("forward", error)
                if self._stop.wait(self._wait_after(failures)):
                    return
            else:
                return

    def _wait_after(self, failures: int) -> float:
        return wait_after(failures, chance=random.random())  # noqa: S311 - jitter

    def _report(self, name: str, problem: Exception | str) -> None:
        """Log a problem once until it changes; an unexpected error with its traceback."""
        if self.problems.get(name) != str(problem):
            trace = isinstance(problem, Exception) and not isinstance(problem, TicktrailError)
            log.warning("Webhooks wait in the journal: %s", problem, exc_info=trace)
        self.problems[name] = str(problem)

    def _fine(self, name: str) -> None:
        if self.problems.pop(name, None) is not None:
            log.info("Webhooks leave the journal again (%s).", name)
