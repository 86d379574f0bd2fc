"""A stand-in for graph.facebook.com, as far as n8n's WhatsApp nodes talk to it.

It answers over HTTPS on 127.0.0.1 what the WhatsApp Trigger asks when it is activated, and what a send asks:
accepted with a new message id, or refused, depending on the recipient. It remembers the sends.
"""

from __future__ import annotations

import json
import secrets
import shutil
import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

HOST = "graph.facebook.com"

ACCEPTED_RECIPIENT = "966500000001"
UNKNOWN_TEMPLATE_RECIPIENT = "966500000032"
EXPIRED_LOGIN_RECIPIENT = "966500000090"

# Recipient → the status code and the error object of Meta's refusal.
REFUSALS: dict[str, tuple[int, dict[str, Any]]] = {
    UNKNOWN_TEMPLATE_RECIPIENT: (
        404,
        {
            "message": "(#132001) Template name does not exist in the translation",
            "type": "OAuthException",
            "code": 132001,
            "error_data": {
                "messaging_product": "whatsapp",
                "details": "template name (order_update) does not exist in en_US",
            },
        },
    ),
    EXPIRED_LOGIN_RECIPIENT: (
        401,
        {
            "message": "Error validating access token: Session has expired",
            "type": "OAuthException",
            "code": 190,
            "error_subcode": 463,
        },
    ),
}


@dataclass(frozen=True)
class MetaSend:
    """One send that arrived, and what was answered: a message id, or the code of the refusal."""

    recipient: str
    body: dict[str, Any]
    message_id: str | None
    error_code: int | None


@dataclass
class FakeMeta:
    """The running stand-in. ``folder`` keeps its certificate, which the n8n under test has to trust."""

    folder: Path
    sends: list[MetaSend] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int:
        """The port on 127.0.0.1, while it runs."""
        assert self._server is not None, "the fake Meta is not running"
        return int(self._server.server_address[1])

    @property
    def certificate(self) -> Path:
        """The self-made certificate for graph.facebook.com, in PEM."""
        return self.folder / "certificate.pem"

    def start(self) -> None:
        """Make a certificate and listen on a free port."""
        key = self.folder / "key.pem"
        _make_certificate(self.certificate, key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)

        meta = self

        class Handler(_MetaHandler):
            fake = meta

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # The handshake belongs to the thread of its connection: one that stalls must not hold up the others.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self._server = server
        threading.Thread(target=server.serve_forever, name="fake-meta", daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def send(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Accept or refuse a send, by its recipient; returns the status code and the answer."""
        recipient = str(body.get("to", "")).lstrip("+")
        if recipient in REFUSALS:
            status, error = REFUSALS[recipient]
            self.sends.append(MetaSend(recipient, body, None, error["code"]))
            return status, {"error": {**error, "fbtrace_id": secrets.token_hex(6)}}
        message_id = f"wamid.SENT{secrets.token_hex(8).upper()}"
        self.sends.append(MetaSend(recipient, body, message_id, None))
        return 200, {
            "messaging_product": "whatsapp",
            "contacts": [{"input": f"+{recipient}", "wa_id": recipient}],
            "messages": [{"id": message_id, "message_status": "accepted"}],
        }


class _MetaHandler(BaseHTTPRequestHandler):
    fake: ClassVar[FakeMeta]
    protocol_version = "HTTP/1.1"
    timeout = 120

    def do_GET(self) -> None:
        if self.path.split("?")[0].endswith("/subscriptions"):
            self._answer(200, {"data": []})
        else:
            self._answer(404, {"error": {"message": "Unknown path", "code": 100}})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path.split("?")[0].endswith("/messages"):
            self._answer(*self.fake.send(json.loads(body)))
        else:
            self._answer(200, {"success": True, "access_token": secrets.token_hex(8)})

    def do_DELETE(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self._answer(200, {"success": True})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class names it so)
        """Say nothing on stderr: what arrived is in ``sends``."""

    def _answer(self, status: int, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _make_certificate(certificate: Path, key: Path) -> None:
    openssl = shutil.which("openssl")
    assert openssl is not None, "openssl is not on PATH"
    kind = ("-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    name = ("-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}")
    subprocess.run(
        [openssl, "req", *kind, *name, "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
