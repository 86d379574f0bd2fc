"""Run the receiver: journal, deliverer and web server, from start to a clean end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http import HTTPStatus
from typing import Self

import httpx2
import uvicorn
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ticktrail.errors import FatalError
from ticktrail.receiver.app import JournalWriter, ReceiverApp, Rules, Verify
from ticktrail.receiver.connections import LimitedProtocol
from ticktrail.receiver.forwarding import Deliverer
from ticktrail.settings.settings import Settings
from ticktrail.stores import Store
from ticktrail.stores.journal import Journal, JournalState
from ticktrail.stores.journal_claim import claimed

_STOP_SECONDS = 5
_KEEP_ALIVE_SECONDS = 30
_VERIFY_SECONDS = 10


class Receiver:
    """The receiver in threads of its own, between ``with`` and its end.

    Args:
        listening: a bound socket.
        open_store: opens the store; called from the deliverer's thread.
        ended: set when the receiver stops serving, for whatever reason.
    """

    def __init__(
        self,
        settings: Settings,
        listening: socket.socket,
        *,
        open_store: Callable[[], Store],
        ended: threading.Event | None = None,
    ) -> None:
        self._settings = settings
        self._listening = listening
        self._open_store = open_store
        self._ended = ended
        self._stack = ExitStack()
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._writer: JournalWriter | None = None

    def __enter__(self) -> Self:
        """Start, and return when requests are answered.

        Raises:
            TicktrailError: the journal cannot be opened, or the server did not start.
        """
        with ExitStack() as stack:
            stack.callback(self._listening.close)
            self._serve(self._prepare(stack))
            self._stack = stack.pop_all()
        return self

    def _prepare(self, stack: ExitStack) -> ReceiverApp:
        chosen = self._settings.receiver
        stack.enter_context(claimed(chosen.journal))
        journal = stack.enter_context(Journal(chosen.journal))
        deliverer = Deliverer(
            journal,
            open_store=self._open_store,
            forward_url=chosen.forward_url if chosen.forward != "none" else None,
            instance=self._settings.instance,
        )
        stack.callback(deliverer.close)
        self._writer = writer = JournalWriter(journal, on_commit=deliverer.wake, on_replaced=self._end)
        stack.callback(writer.close)
        rules = Rules(
            secrets=tuple(secret.reveal().encode() for secret in chosen.app_secrets),
            verify_token=chosen.verify_token.reveal() if chosen.verify_token else None,
            forward=chosen.forward if chosen.forward_url else "none",
        )
        return ReceiverApp(
            rules,
            writer,
            probe=lambda: _probe(journal, deliverer),
            verify=_verifier(chosen.forward_url) if chosen.forward_url else None,
        )

    def _serve(self, app: ReceiverApp) -> None:
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                # The application's logging masks numbers and secrets; uvicorn's own would not.
                log_config=None,
                # Its warnings are about malformed requests, as many as a client likes to send.
                log_level="error",
                access_log=False,
                server_header=False,
                date_header=False,
                lifespan="off",
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_STOP_SECONDS,
                http=LimitedProtocol,
                ws="none",
            )
        )
        self._thread = threading.Thread(target=self._run, name="receiver")
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise FatalError("The receiver could not start.", remedy="The lines above say why.")
            time.sleep(0.01)

    def _run(self) -> None:
        assert self._server is not None  # noqa: S101 - set before the thread starts
        try:
            self._server.run([self._listening])
        finally:
            if self._ended is not None:
                self._ended.set()

    def _end(self) -> None:
        if self._server is not None:
            self._server.should_exit = True

    def refuse_dead(self) -> None:
        """Raise the error that ended the receiver without being asked to."""
        if self._writer is not None and self._writer.replaced is not None:
            raise self._writer.replaced
        if self._thread is None or not self._thread.is_alive():
            raise FatalError("The receiver stopped unexpectedly.", remedy="The lines above say why.")

    def __exit__(self, *_: object) -> None:
        """Accept no more webhooks, answer those under way, end. What waits stays in the journal."""
        self._end()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS * 3)
        self._stack.close()


def _verifier(forward_url: str) -> Verify:
    async def verify(path: str) -> bytes | None:
        try:
            async with httpx2.AsyncClient(timeout=_VERIFY_SECONDS, follow_redirects=False) as client:
                answer = await client.get(f"{forward_url}{path}")
        except (httpx2.HTTPError, httpx2.InvalidURL):
            return None
        return answer.content if answer.status_code == HTTPStatus.OK else None

    return verify


def _probe(journal: Journal, deliverer: Deliverer) -> tuple[bytes, bool]:
    state = journal.state()
    ready = not deliverer.problems.get("store") and not state.is_late(time.time())
    registry = CollectorRegistry()
    registry.register(_JournalCollector(state))
    return generate_latest(registry), ready


class _JournalCollector(Collector):
    """The journal's state as Prometheus metrics."""

    def __init__(self, state: JournalState) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        state = self._state
        for name, help_text in (
            ("received", "Webhooks written to the journal"),
            ("stored", "Webhooks whose statuses were stored"),
            ("forwarded", "Webhooks that n8n accepted"),
            ("wrong_signature", "Requests with a wrong signature"),
            ("unheard", "Webhooks that n8n accepted without starting an execution"),
        ):
            yield CounterMetricFamily(f"ticktrail_receiver_{name}", help_text, value=state.counts.get(name, 0))
        for name, value, help_text in (
            ("waiting_to_store", state.to_store, "Webhooks whose statuses wait for the store"),
            ("waiting_to_forward", state.to_forward, "Webhooks that wait for n8n"),
            ("failed", state.failed, "Webhooks that were given up"),
            (
                "oldest_waiting_timestamp_seconds",
                state.oldest_at or 0,
                "Time of the oldest waiting webhook, else 0",
            ),
        ):
            yield GaugeMetricFamily(f"ticktrail_receiver_{name}", help_text, value=value)
