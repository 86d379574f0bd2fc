"""``ticktrail serve`` and ``ticktrail run`` as somebody starts and stops them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from tests.acceptance.conftest import DATA, Ticktrail
from tests.invented import WORKFLOW, execution, status_object
from tests.n8n_server import N8nServer

TOKEN = "a-token-of-the-tests-0001"  # noqa: S105 - of the tests

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM")


@contextmanager
def started(
    home: Path, environ: dict[str, str], *arguments: str
) -> Iterator[tuple[subprocess.Popen[str], httpx2.Client]]:
    """The command in a process of its own, and a client for where it says it is, once it says so."""
    with subprocess.Popen(
        [sys.executable, "-m", "ticktrail", *arguments],
        cwd=home,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            found = re.search(r"http://\S+", said)
            assert found, said + process.stderr.read()
            with httpx2.Client(base_url=found[0], trust_env=False, timeout=10) as client:
                yield process, client
        finally:
            process.kill()


def wait_for(client: httpx2.Client, path: str, status: int) -> httpx2.Response:
    """Ask until the answer has this status, for fifteen seconds at most."""
    deadline = time.monotonic() + 15
    while True:
        answer = client.get(path)
        if answer.status_code == status or time.monotonic() > deadline:
            return answer
        time.sleep(0.05)


def free_port() -> str:
    """A port nobody listens on."""
    import socket  # noqa: PLC0415 - here only

    with socket.create_server(("127.0.0.1", 0)) as found:
        return str(found.getsockname()[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_answers_and_ends_cleanly(
    ticktrail: Ticktrail, home: Path, bare_environment: dict[str, str], number: signal.Signals
) -> None:
    """It serves what a sync stored, and ends with exit code 0 and no traceback when it is told to."""
    ticktrail("sync", "--from", str(DATA / "corpus_400_messages.jsonl.gz"), "--store", "l.db")
    with started(home, bare_environment, "serve", "--store", "l.db", "--port", free_port()) as (process, client):
        assert wait_for(client, "/healthz", 200).json() == {"status": "ok"}
        assert client.get("/api/v1/stats").json()["totals"]["messages"] == 400
        assert "ticktrail_messages" in client.get("/metrics").text
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert said == "Stopped.\n"


def test_serve_creates_nothing(home: Path, bare_environment: dict[str, str]) -> None:
    """Before the first sync it serves an empty ledger, and makes no file."""
    with started(home, bare_environment, "serve", "--store", "l.db", "--port", free_port()) as (process, client):
        assert wait_for(client, "/api/v1/messages", 200).json() == {"messages": [], "next": None}
        assert client.get("/readyz").status_code == 503
        process.terminate()
        process.wait(20)
    assert not (home / "l.db").exists()


def test_beyond_this_machine_it_wants_a_token(
    ticktrail: Ticktrail, home: Path, bare_environment: dict[str, str]
) -> None:
    """--host 0.0.0.0 without a token is a usage error with the remedy; with one it serves whoever has it."""
    refused = ticktrail("serve", "--host", "0.0.0.0")  # noqa: S104
    assert refused.returncode == 2
    assert "TICKTRAIL_DASHBOARD_TOKEN" in refused.stderr
    assert "Traceback" not in refused.stderr
    environ = {**bare_environment, "TICKTRAIL_DASHBOARD_TOKEN": TOKEN}
    with started(home, environ, "serve", "--host", "0.0.0.0", "--port", free_port()) as (process, client):  # noqa: S104
        assert client.get("/api/v1/messages").status_code == 401
        assert client.get("/api/v1/messages", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        process.terminate()
        _, said = process.communicate(timeout=20)
    assert TOKEN not in said


def test_a_port_in_use_is_said(ticktrail: Ticktrail, home: Path, bare_environment: dict[str, str]) -> None:
    """A second one on the same port ends at once, and says which other port to try."""
    port = free_port()
    with started(home, bare_environment, "serve", "--port", port) as (process, _):
        second = ticktrail("serve", "--port", port)
        process.terminate()
        process.wait(20)
    assert second.returncode == 2
    assert port in second.stderr
    assert "--port" in second.stderr


def test_without_the_extra_the_remedy_is_said(home: Path, bare_environment: dict[str, str]) -> None:
    """Where FastAPI is not installed, serve says what to install; everything else works as before."""
    (home / "fastapi.py").write_text("raise ModuleNotFoundError(\"No module named 'fastapi'\", name='fastapi')\n")
    environ = {**bare_environment, "PYTHONPATH": str(home)}
    for command, code in (("serve", 2), ("--help", 0)):
        done = subprocess.run(
            [sys.executable, "-m", "ticktrail", command],
            cwd=home,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert ('pip install "ticktrail[dashboard]"' in done.stderr) == (code == 2)


def test_run_keeps_up_and_serves(home: Path, bare_environment: dict[str, str]) -> None:
    """One process reads n8n and shows what it read; it becomes ready, and SIGTERM ends both with exit code 0."""
    statuses = [status_object("wamid.RUN", "sent", 1_795_355_171)]
    with N8nServer([execution(1, statuses)]) as n8n:
        environ = {
            **bare_environment,
            "N8N_BASE_URL": n8n.address,
            "N8N_API_KEY": n8n.settings().api_key.reveal(),  # type: ignore[union-attr]
            "WORKFLOW_ID_WHATSAPP": WORKFLOW,
        }
        arguments = ("run", "--store", "l.db", "--port", free_port(), "--every", "1")
        with started(home, environ, *arguments) as (process, client):
            assert wait_for(client, "/readyz", 200).json() == {"ready": True}
            (found,) = client.get("/api/v1/messages").json()["messages"]
            assert found["messageId"] == "wamid.RUN"
            assert client.get("/api/v1/sync/runs").json()["runs"]
            process.terminate()
            _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert "Traceback" not in said


def test_run_without_settings_says_what_is_missing(ticktrail: Ticktrail) -> None:
    """Without an n8n there is nothing to run: the settings are named before anything listens."""
    done = ticktrail("run")
    assert done.returncode == 2
    assert "N8N_BASE_URL" in done.stderr
