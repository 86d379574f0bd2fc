"""The ASGI application that answers Meta. It answers 200 only after the journal has the webhook on disk."""

from __future__ import annotations

import asyncio
import hmac
import queue
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

import msgspec

from ticktrail.errors import StoreReplacedError, TicktrailError
from ticktrail.receiver.contents import read_contents
from ticktrail.receiver.signature import is_signed
from ticktrail.stores.journal import DONE, WAITING, Journal, Webhook

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Verify = Callable[[str], Awaitable[bytes | None]]
"""Passes a GET verification on to n8n: path and query string in, body out; None when n8n does not answer 200."""

LARGEST_BODY = 8 * 1024 * 1024
"""Bytes. Meta's webhooks have at most 3 MB (Meta's page on webhooks)."""

MOST_READING = 64 * 1024 * 1024
"""Bytes of bodies that are being read, in all: they cannot be checked before they are complete."""

_SMALL_BODY = 64 * 1024
"""Bytes that every request may send, however much others send. Most webhooks have one or two thousand."""

BODY_SECONDS = 15
"""Time in which a body must arrive."""

MOST_WAITING = 4_000
"""Webhooks that may wait for the journal's next transaction; above it the answer is 503."""

_BATCH = 500
_COUNT_SECONDS = 1.0
"""Time between two writes of the number of wrong signatures, so that a flood of them costs the disk nothing."""
_RETRY_AFTER = [(b"retry-after", b"5")]


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Rules by which requests are answered.

    Attributes:
        secrets: app secrets, one of which must have signed a webhook.
        verify_token: answers GET verification where no n8n is behind; None passes it on.
        forward: ``messages`` (all but webhooks with statuses alone), ``all`` or ``none``.
    """

    secrets: tuple[bytes, ...]
    verify_token: str | None
    forward: str


_Waiting = tuple[Webhook, asyncio.Future[None]]


class JournalWriter:
    """One thread that writes webhooks to the journal, many per transaction; :meth:`put` waits for the commit.

    Attributes:
        wrong_signatures: number of refused requests since the start; the caller adds to it.
        replaced: the error after which nothing more can be written, because the journal's file is gone.
    """

    def __init__(
        self, journal: Journal, *, on_commit: Callable[[], None], on_replaced: Callable[[], None] = lambda: None
    ) -> None:
        self.replaced: StoreReplacedError | None = None
        self._on_replaced = on_replaced
        self.wrong_signatures = 0
        self._counted = 0
        self._journal = journal
        self._on_commit = on_commit
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._waiting = 0
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    async def put(self, webhook: Webhook) -> None:
        """Return when the webhook is on disk.

        Raises:
            TicktrailError: it is not.
            BlockingIOError: too many webhooks wait already.
        """
        if self._waiting >= MOST_WAITING:
            raise BlockingIOError
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting += 1
        self._queue.put((webhook, future))
        try:
            await future
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Write what waits, then end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        ended = False
        while not ended:
            batch, ended = self._next_batch()
            if batch or self.wrong_signatures > self._counted:
                self._write(batch)

    def _next_batch(self) -> tuple[list[_Waiting], bool]:
        """Return the webhooks that wait, none if none came for a second; and whether the writer ends after them."""
        batch: list[_Waiting] = []
        try:
            waiting = self._queue.get(timeout=_COUNT_SECONDS)
        except queue.Empty:
            return batch, False
        while waiting is not None:
            batch.append(waiting)
            if len(batch) == _BATCH or self._queue.empty():
                return batch, False
            waiting = self._queue.get()
        return batch, True

    def _write(self, batch: list[_Waiting]) -> None:
        error: Exception | None = None
        wrong_signatures = self.wrong_signatures
        try:
            self._journal.append([webhook for webhook, _ in batch], wrong_signatures=wrong_signatures - self._counted)
            self._counted = wrong_signatures
        except Exception as failed:  # noqa: BLE001 - raised where the webhook was put
            error = failed
            if isinstance(failed, StoreReplacedError):
                self.replaced = failed
                self._on_replaced()
        if batch:
            futures = [future for _, future in batch]
            # At the end of the process the loop may be closed: nothing waits for an answer then.
            with suppress(RuntimeError):
                futures[0].get_loop().call_soon_threadsafe(_resolve, futures, error)
            if error is None:
                self._on_commit()


def _resolve(futures: list[asyncio.Future[None]], error: Exception | None) -> None:
    for future in futures:
        if future.cancelled():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


class ReceiverApp:
    """Answers POST (webhooks), GET with ``hub.mode`` (verification), ``/healthz``, ``/readyz`` and ``/metrics``.

    Args:
        probe: body of ``/metrics`` and whether ``/readyz`` is ready.
        verify: passes verification on to n8n; None where no n8n is behind.
    """

    def __init__(
        self,
        rules: Rules,
        writer: JournalWriter,
        *,
        probe: Callable[[], tuple[bytes, bool]],
        verify: Verify | None,
    ) -> None:
        self._rules = rules
        self._writer = writer
        self._probe = probe
        self._verify = verify
        self._reading = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] != "http":
            return
        path = scope["path"]
        if scope["method"] == "POST":
            await self._post(scope, receive, send)
        elif scope["method"] in ("GET", "HEAD") and path in ("/healthz", "/readyz", "/metrics"):
            await self._answer_probe(path, send)
        elif scope["method"] == "GET" and b"hub.mode=" in scope["query_string"]:
            await self._answer_verification(scope, send)
        else:
            await _answer(send, 404, b"Not found.\n")

    async def _post(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await self._read(receive)
        except TimeoutError:
            await _answer(send, 408, b"The body did not arrive in time.\n", close=True)
            return
        except BlockingIOError:
            await _answer(send, 503, b"Try again.\n", _RETRY_AFTER, close=True)
            return
        if body is None:
            return
        if len(body) > LARGEST_BODY:
            await _answer(send, 413, b"The body is too large.\n", close=True)
            return
        signature = headers.get(b"x-hub-signature-256")
        if not is_signed(body, signature, self._rules.secrets):
            self._writer.wrong_signatures += 1
            await _answer(send, 401, b"The signature is wrong.\n")
            return
        try:
            await self._writer.put(self._webhook(scope, headers, body))
        except (TicktrailError, BlockingIOError):
            await _answer(send, 503, b"Try again.\n", _RETRY_AFTER)
            return
        await _answer(send, 200, b"OK\n")

    async def _read(self, receive: Receive) -> bytes | None:
        """The request's body, or more than :data:`LARGEST_BODY` bytes of it; None when the client is gone.

        Raises:
            BlockingIOError: too much is being read already.
        """
        parts: list[bytes] = []
        size = 0
        try:
            while True:
                event = await receive()
                if event["type"] == "http.disconnect":
                    return None
                part = event.get("body", b"")
                parts.append(part)
                size += len(part)
                self._reading += len(part)
                if size > LARGEST_BODY or not event.get("more_body", False):
                    return b"".join(parts)
                if size > _SMALL_BODY and self._reading > MOST_READING:
                    raise BlockingIOError
        finally:
            self._reading -= size

    def _webhook(self, scope: Scope, headers: dict[bytes, bytes], body: bytes) -> Webhook:
        now = time.time()
        contents = read_contents(body, int(now))
        forward = self._rules.forward == "all" or (self._rules.forward == "messages" and not contents.statuses_alone)
        return Webhook(
            received_at=now,
            number=contents.number,
            path=_path_and_query(scope),
            content_type=_text(headers.get(b"content-type")),
            signature=_text(headers.get(b"x-hub-signature-256")),
            body=body,
            storing=WAITING if contents.events or contents.problem else DONE,
            forwarding=WAITING if forward else DONE,
        )

    async def _answer_verification(self, scope: Scope, send: Send) -> None:
        """Answer Meta's subscription check, or let n8n answer it. Nothing but the challenge is passed back.

        See: https://developers.facebook.com/docs/graph-api/webhooks/getting-started#verification-requests
        """
        parameters = {name: values[0] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
        challenge = parameters.get("hub.challenge", "").encode()
        token = self._rules.verify_token
        passes = token is not None and hmac.compare_digest(
            parameters.get("hub.verify_token", "").encode(), token.encode()
        )
        if not passes and self._verify is not None and challenge:
            passes = await self._verify(_path_and_query(scope)) == challenge
        if passes:
            await _answer(send, 200, challenge)
        else:
            await _answer(send, 403, b"The verify token is wrong, or n8n does not answer.\n")

    async def _answer_probe(self, path: str, send: Send) -> None:
        if path == "/healthz":
            await _answer(send, 200, b"OK\n")
            return
        try:
            metrics, ready = await asyncio.to_thread(self._probe)
        except TicktrailError:
            await _answer(send, 503, b"The journal cannot be read.\n")
            return
        if path == "/metrics":
            await _answer(send, 200, metrics, content_type="text/plain; version=0.0.4; charset=utf-8")
        else:
            await _answer(send, 200 if ready else 503, b"OK\n" if ready else b"Not ready.\n")


async def _answer(
    send: Send,
    status: int,
    body: bytes,
    headers: list[tuple[bytes, bytes]] | None = None,
    *,
    content_type: str = "text/plain; charset=utf-8",
    close: bool = False,
) -> None:
    sent = [
        (b"content-type", content_type.encode("latin-1")),
        (b"content-length", str(len(body)).encode()),
        *(headers or []),
    ]
    if close:
        sent.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})


def _path_and_query(scope: Scope) -> str:
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return (path + (b"?" + query if query else b"")).decode("latin-1")


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
