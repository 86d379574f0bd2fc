"""A TCP relay in front of a server that can drop all data without closing connections, as some firewalls do."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class Relay:
    """Relays connections to a port of this machine until :meth:`cut`; from then on it drops all data.

    No connection is refused or closed, so neither side notices that the other cannot be reached.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = [self._listening]
        self._is_cut = threading.Event()
        self._cut_before: bytes | None = None
        self._cut_replies = False
        self.port: int = self._listening.getsockname()[1]

    def __enter__(self) -> Self:
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A closed socket would still accept in the other thread; one that is shut down wakes it.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def cut(self) -> None:
        """Drop all data from now on."""
        self._is_cut.set()

    def cut_before(self, text: bytes, *, replies: bool = False) -> None:
        """Cut when a request with this text comes. With ``replies`` the server gets it, and its answer is dropped."""
        self._cut_before, self._cut_replies = text, replies

    @property
    def is_cut(self) -> bool:
        """True while all data is dropped."""
        return self._is_cut.is_set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self._sockets.append(client)
            server = socket.create_connection(("127.0.0.1", self._target))
            self._sockets.append(server)
            for source, target, is_request in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._relay, args=(source, target, is_request), daemon=True).start()

    def _relay(self, source: socket.socket, target: socket.socket, is_request: bool) -> None:  # noqa: FBT001
        is_dead = False
        try:
            while data := source.recv(65_536):
                if is_request and self._cut_before is not None and self._cut_before in data:
                    self._is_cut.set()
                    if self._cut_replies:
                        target.sendall(data)
                is_dead = is_dead or self._is_cut.is_set()
                if not is_dead:
                    target.sendall(data)
            if not is_dead:
                target.shutdown(socket.SHUT_WR)
        except OSError:
            return
