"""``ticktrail serve`` and ``ticktrail run`` started and stopped as a user does."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2
import pytest
from tests.acceptance.conftest import DATA, Ticktrail
from tests.support.invented_messages import WORKFLOW, execution, status_object
from tests.support.n8n_server import N8nServer
from tests.support.patience import PATIENCE_SECONDS, wait_until

TOKEN = "a-token-of-the-tests-0001"  # noqa: S105 - of the tests

pytestmark = [pytest.mark.thorough, pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM")]


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
            with httpx2.Client(base_url=found[0], trust_env=False, timeout=PATIENCE_SECONDS) as client:
                yield process, client
        finally:
            process.kill()


def wait_for(client: httpx2.Client, path: str, status: int) -> httpx2.Response:
    """Repeat a request until its response has this status; returns the response."""

    def response() -> httpx2.Response | None:
        response = client.get(path)
        return response if response.status_code == status else None

    return wait_until(response, f"{status} for {path}")


def free_port() -> str:
    """A free port."""
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
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    assert re.fullmatch(r"\S+ INFO    Stopped\.\n", said)


def test_serve_creates_nothing(home: Path, bare_environment: dict[str, str]) -> None:
    """Before the first sync it serves an empty store, says so, and makes no file."""
    with started(home, bare_environment, "serve", "--store", "l.db", "--port", free_port()) as (process, client):
        assert process.stderr is not None
        assert re.search(r"WARNING There is no store at .*l\.db yet.*ticktrail sync", process.stderr.readline())
        assert wait_for(client, "/api/v1/messages", 200).json() == {"messages": [], "next": None}
        assert client.get("/readyz").status_code == 503
        process.terminate()
        process.wait(PATIENCE_SECONDS)
    assert not (home / "l.db").exists()


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [(None, 2, "is a folder"), (b"hello", 1, "is not a SQLite database"), ("half", 1, "is damaged")],
    ids=["folder", "text", "damaged"],
)
def test_a_file_that_is_no_store_is_not_served(
    ticktrail: Ticktrail, home: Path, content: bytes | str | None, code: int, said: str
) -> None:
    """An unreadable store is an error with its remedy, and no port is opened."""
    path = home / "l.db"
    if content is None:
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE some (thing TEXT)")
            connection.executemany("INSERT INTO some VALUES (?)", [("x" * 900,)] * 40)
        path.write_bytes(path.read_bytes()[:20_000])
    done = ticktrail("serve", "--store", "l.db", "--port", free_port())
    assert (done.returncode, said in done.stderr, "http://" in done.stderr) == (code, True, False), done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_beyond_this_machine_it_wants_a_token(
    ticktrail: Ticktrail, home: Path, bare_environment: dict[str, str]
) -> None:
    """--host 0.0.0.0 without a token is a usage error with the remedy; with one it serves requests with it."""
    refused = ticktrail("serve", "--host", "0.0.0.0")  # noqa: S104
    assert refused.returncode == 2
    assert "TICKTRAIL_DASHBOARD_TOKEN" in refused.stderr
    assert "Traceback" not in refused.stderr
    environ = {**bare_environment, "TICKTRAIL_DASHBOARD_TOKEN": TOKEN}
    with started(home, environ, "serve", "--host", "0.0.0.0", "--port", free_port()) as (process, client):  # noqa: S104
        assert client.get("/api/v1/messages").status_code == 401
        assert client.get("/api/v1/messages", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        process.terminate()
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert TOKEN not in said


def test_a_port_in_use_is_said(ticktrail: Ticktrail, home: Path, bare_environment: dict[str, str]) -> None:
    """A second one on the same port ends at once, and says which other port to try."""
    port = free_port()
    with started(home, bare_environment, "serve", "--port", port) as (process, _):
        second = ticktrail("serve", "--port", port)
        process.terminate()
        process.wait(PATIENCE_SECONDS)
    assert second.returncode == 2
    assert f"port {port}: Address already in use." in second.stderr
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
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert (f'Type: {sys.executable} -m pip install "ticktrail[dashboard]"' in done.stderr) == (code == 2)


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
            _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, said
    assert "Traceback" not in said


def test_run_without_settings_says_what_is_missing(ticktrail: Ticktrail) -> None:
    """Without an n8n there is nothing to run: the settings are named before anything listens."""
    done = ticktrail("run")
    assert done.returncode == 2
    assert "N8N_BASE_URL" in done.stderr


@pytest.fixture
def n8n() -> Iterator[N8nServer]:
    """An n8n with one message."""
    with N8nServer([execution(1, [status_object("wamid.RUN", "sent", 1_795_355_171)])]) as server:
        yield server


def leading_to(n8n: N8nServer, bare_environment: dict[str, str]) -> dict[str, str]:
    """The environment that leads to an n8n."""
    key = {"N8N_API_KEY": n8n.api_key, "WORKFLOW_ID_WHATSAPP": WORKFLOW}
    return {**bare_environment, "N8N_BASE_URL": n8n.address, **key}


def wait_for_syncs(n8n: N8nServer, count: int) -> None:
    """Wait until so many syncs have begun and ended."""
    before = sum(request.is_list() for request in n8n.requests)
    # The first one may have begun earlier, the last one may not have ended.
    wait_until(lambda: sum(request.is_list() for request in n8n.requests) >= before + count + 2, "syncs")


def ended(process: subprocess.Popen[str]) -> str:
    """Output of a process that was stopped and exited with success."""
    process.terminate()
    _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    return str(said)


def test_run_waits_for_n8n_and_says_so_once(home: Path, bare_environment: dict[str, str], n8n: N8nServer) -> None:
    """While n8n is away it serves what there is, and says why once; when n8n comes it goes on by itself."""
    n8n.stop()
    arguments = ("run", "--store", "l.db", "--port", free_port(), "--every", "1")
    with started(home, leading_to(n8n, bare_environment), *arguments) as (process, client):
        assert wait_for(client, "/readyz", 503).json()["reason"] == "no sync has succeeded yet"
        time.sleep(5)
        n8n.start()
        assert wait_for(client, "/readyz", 200).status_code == 200
        said = ended(process)
    for once in ("Watching", "Nothing answers at", "Trying again", "It works again"):
        assert said.count(once) == 1, said


def test_run_says_what_the_dashboard_does_not_take_up(
    home: Path, bare_environment: dict[str, str], n8n: N8nServer
) -> None:
    """A new key in .env is used without a word; another store or token takes a restart of the dashboard, said once."""

    def write(**changes: str) -> None:
        known = {"N8N_BASE_URL": n8n.address, "N8N_API_KEY": "a-wrong-key", "WORKFLOW_ID_WHATSAPP": WORKFLOW, **changes}
        (home / ".env.new").write_text("".join(f"{name}={value}\n" for name, value in known.items()))
        (home / ".env.new").replace(home / ".env")

    write()
    arguments = ("run", "--store", "l.db", "--port", free_port(), "--every", "1")
    with started(home, bare_environment, *arguments) as (process, client):
        wait_for(client, "/readyz", 503)
        write(N8N_API_KEY=n8n.api_key)
        assert wait_for(client, "/readyz", 200).status_code == 200
        write(N8N_API_KEY=n8n.api_key, TICKTRAIL_TIMEZONE="Africa/Cairo")
        wait_for_syncs(n8n, 3)
        said = ended(process)
    assert said.count("The settings have changed. Syncs use them from now on, the dashboard after a restart.") == 1


def test_run_goes_on_where_its_own_lease_was_left(home: Path, bare_environment: dict[str, str], n8n: N8nServer) -> None:
    """A sync that could not give its lease back (the disk was full) does not keep the next one of this process out."""
    arguments = ("run", "--store", "l.db", "--port", free_port(), "--every", "1")
    with started(home, leading_to(n8n, bare_environment), *arguments) as (process, client):
        wait_for(client, "/readyz", 200)
        with closing(sqlite3.connect(home / "l.db", isolation_level=None, timeout=PATIENCE_SECONDS)) as connection:
            # As on a full disk, where not even giving back can be written.
            connection.execute("CREATE TRIGGER full BEFORE DELETE ON lease BEGIN SELECT RAISE(FAIL, 'full'); END")
            wait_for_syncs(n8n, 2)
            n8n.add(execution(2, [status_object("wamid.LATER", "sent", 1_795_355_172)]))
        assert wait_for(client, "/api/v1/messages/wamid.LATER", 200).status_code == 200
        ended(process)


def test_run_ends_soon_while_the_store_is_locked(home: Path, bare_environment: dict[str, str], n8n: N8nServer) -> None:
    """A program that keeps the store locked does not hold up the end: after seconds it ends with 1, nothing lost."""
    arguments = ("run", "--store", "l.db", "--port", free_port(), "--every", "1")
    with started(home, leading_to(n8n, bare_environment), *arguments) as (process, client):
        wait_for(client, "/readyz", 200)
        with closing(sqlite3.connect(home / "l.db", isolation_level=None, timeout=PATIENCE_SECONDS)) as connection:
            began = time.monotonic()
            wait_for_syncs(n8n, 1)
            connection.execute("BEGIN IMMEDIATE")
            n8n.add(execution(2, [status_object("wamid.LATER", "sent", 1_795_355_172)]))
            # For about three syncs, however long they take on this machine.
            time.sleep(time.monotonic() - began)
            assert client.get("/api/v1/stats").json()["totals"]["messages"] == 1
            process.terminate()
            # Signals within a second count as one.
            time.sleep(1.2)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert "Nothing was lost" in said


def run_program(
    program: str, home: Path, environ: dict[str, str], *, timeout: float = PATIENCE_SECONDS
) -> subprocess.CompletedProcess[str]:
    """Run a Python program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=home,
        env=environ,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def test_patience_goes_on_when_the_watch_has_ended(home: Path, bare_environment: dict[str, str]) -> None:
    """When the watch ends at the signal, a dashboard still running beside it does not delay the exit."""
    program = (
        "import os, signal, threading, time\n"
        "from ticktrail.cli.commands.sync import sync_loop\n"
        "from ticktrail.cli.options import ReportFormat\n"
        "from ticktrail.cli.signals import stopping\n"
        "stop = threading.Event()\n"
        "def kill(_): os.kill(os.getpid(), signal.SIGTERM)\n"
        "with stopping(stop, signal.SIGTERM, patience=4):\n"
        "    sync_loop(20, None, ReportFormat.text, full=False, annotate=False, verbose=False,\n"
        "                 stop=stop, before_sync=kill)\n"
        "    print('the watch has ended', flush=True)\n"
        "    time.sleep(1_000)\n"
    )
    nowhere = {"N8N_BASE_URL": "http://127.0.0.1:9", "N8N_API_KEY": "k", "WORKFLOW_ID_WHATSAPP": "w"}
    done = run_program(program, home, {**bare_environment, **nowhere})
    assert (done.returncode, done.stdout) == (1, "the watch has ended\n")


@pytest.mark.parametrize("work", ["pass", "stop._cond.acquire()"])
def test_a_signal_is_not_waited_for_longer_than_patience(
    home: Path, bare_environment: dict[str, str], work: str
) -> None:
    """A part that does not end is stopped after a timeout, even if the signal arrives during that wait."""
    program = (
        "import os, signal, threading, time\n"
        "from ticktrail.cli.signals import stopping\n"
        "stop = threading.Event()\n"
        "with stopping(stop, signal.SIGTERM, patience=0.2):\n"
        f"    {work}\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(1_000)\n"
    )
    done = run_program(program, home, bare_environment)
    assert (done.returncode, "Nothing was lost" in done.stderr) == (1, True)


def test_a_second_signal_ends_at_once(home: Path, bare_environment: dict[str, str]) -> None:
    """More than a second after the first, however long the patience is."""
    program = (
        "import os, signal, threading, time\n"
        "from ticktrail.cli.signals import stopping\n"
        "with stopping(threading.Event(), signal.SIGTERM, patience=1_000):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(1.1)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(1_000)\n"
    )
    done = run_program(program, home, bare_environment)
    assert (done.returncode, "Nothing was lost" in done.stderr) == (1, True)


def test_signals_that_arrive_together_count_as_one(home: Path, bare_environment: dict[str, str]) -> None:
    """``timeout`` signals the process and its group; the work still stops cleanly."""
    program = (
        "import os, signal, threading\n"
        "from ticktrail.cli.signals import stopping\n"
        "stop = threading.Event()\n"
        "with stopping(stop, signal.SIGTERM):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print('stopped' if stop.is_set() else 'goes on')\n"
    )
    done = run_program(program, home, bare_environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "stopped\n", "")
