"""TLS and proxies between here and n8n: what is trusted, what is not, and what the user is told."""

from __future__ import annotations

import logging
import shutil
import socket
import ssl
import subprocess
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.n8n_reading import api_of, executions
from tests.support.n8n_server import QUICK, N8nServer
from tests.support.patience import PATIENCE_SECONDS
from tests.support.recordings import corpus

from ticktrail.errors import ConfigurationError, SourceUnavailableError
from ticktrail.settings.settings import N8nSettings, Secret
from ticktrail.sources.n8n_api.api import N8nApi


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrusted certificate for 127.0.0.1, with its key in the same file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not on PATH: it makes the certificate")
    path = tmp_path_factory.mktemp("tls") / "n8n.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=n8n in a test"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", path.with_suffix(".crt")),
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


@pytest.fixture
def n8n(certificate: Path) -> Iterator[N8nServer]:
    """An n8n that is reached by https with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with N8nServer(corpus()[:30], tls=context) as server:
        yield server


def test_a_private_authority_is_trusted_when_named(n8n: N8nServer, certificate: Path) -> None:
    """With N8N_CA_FILE, n8n behind a certificate of the company's own is read like any other."""
    with api_of(n8n, ca_file=certificate.with_suffix(".crt")) as api:
        assert executions(api.pages()) == list(corpus()[:30])


def test_an_untrusted_certificate_is_said_and_not_tried_again(n8n: N8nServer) -> None:
    """Without it nothing is sent, one connection is tried, and the remedy names N8N_CA_FILE."""
    with api_of(n8n) as api, pytest.raises(SourceUnavailableError, match="not trusted") as caught:
        list(api.pages())
    assert "N8N_CA_FILE" in caught.value.remedy
    assert n8n.requests == []
    assert n8n.connections == 1


def test_https_where_none_is_spoken_is_said() -> None:
    """https:// to a plain port says that http:// may be meant."""
    with N8nServer() as n8n:
        address = n8n.address.replace("http://", "https://")
        with api_of(n8n, base_url=address) as api, pytest.raises(SourceUnavailableError, match="TLS") as caught:
            list(api.pages())
    assert "http://" in caught.value.remedy


@pytest.mark.parametrize("content", [None, "no certificate at all"])
def test_a_ca_file_without_certificates_is_a_configuration_error(tmp_path: Path, content: str | None) -> None:
    """A file that is missing or holds no PEM names itself before anything is asked."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match="N8N_CA_FILE"):
        N8nApi(N8nSettings(base_url="https://n8n.example.com", ca_file=path), "w")


def test_a_proxy_that_refuses_is_named_as_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the proxy of the environment does not let a request through, that is said, not that n8n is away."""
    with N8nServer() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        settings = N8nSettings(base_url="https://n8n.invalid", api_key=Secret("k"))
        with N8nApi(settings, "w", retry_policy=QUICK) as api, pytest.raises(SourceUnavailableError) as caught:
            list(api.pages())
    assert "proxy" in str(caught.value)
    assert "NO_PROXY" in caught.value.remedy


@pytest.mark.parametrize("scheme", ["gopher", "http"])
def test_a_proxy_that_cannot_be_used_hides_its_password(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """A malformed proxy address is a configuration error that does not repeat what may hold a password."""
    # A slash that should have been escaped makes the password look like a port.
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://user:s3cret/x@proxy.example.com")
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as caught:
        N8nApi(N8nSettings(base_url="https://n8n.example.com"), "w")
    shown = "".join(traceback.format_exception(caught.value))
    assert "s3cret" not in repr(caught.value) + caught.value.remedy + shown


def test_this_machine_is_reached_past_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """An n8n on this machine is never looked for behind a proxy."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with N8nServer(corpus()[:3]) as n8n, api_of(n8n) as api:
        assert len(executions(api.pages())) == 3


def _hang_up_on(listening: socket.socket, times: int) -> threading.Thread:
    """Accept so many connections and close each after its first words."""

    def run() -> None:
        for _ in range(times):
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_connection_that_dies_is_not_taken_for_tls(caplog: pytest.LogCaptureFixture) -> None:
    """A server that hangs up in the middle of the handshake is asked again: it may be restarting."""
    caplog.set_level(logging.WARNING, logger="stamina")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE_SECONDS)
        settings = N8nSettings(base_url=f"https://127.0.0.1:{listening.getsockname()[1]}", api_key=Secret("k"))
        with N8nApi(settings, "w", retry_policy=QUICK) as api:
            server = _hang_up_on(listening, QUICK.attempts)
            with pytest.raises(SourceUnavailableError, match="Nothing was lost"):
                api.metadata()
            server.join(PATIENCE_SECONDS)
    assert len(caplog.records) == QUICK.attempts - 1
