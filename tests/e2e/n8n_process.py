"""One n8n as a process: its environment, its ports, its log, and its end.

Nothing of the caller's environment but PATH reaches it. It listens on 127.0.0.1 only, talks to no other
machine (reroute.cjs), and does not outlive the process that started it.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from .fake_meta import FakeMeta
from .installation import Installation

REROUTE = Path(__file__).with_name("reroute.cjs")

# Longer than any webhook run of the lab, shorter than its Wait nodes: a stop should not sit them out.
GRACEFUL_SHUTDOWN_SECONDS = 5


def free_port() -> int:
    """A free port on 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class N8nProcess:
    """Starts, stops and kills one n8n over one data folder, always on the same port."""

    def __init__(
        self,
        installation: Installation,
        data_folder: Path,
        *,
        port: int | None = None,
        meta: FakeMeta | None = None,
        extra_env: Mapping[str, str] | None = None,
    ) -> None:
        self.installation = installation
        self.data_folder = data_folder
        self.port = port or free_port()
        self.meta = meta
        self.extra_env = dict(extra_env or {})
        self._runners_broker_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        """Where it answers, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """Everything it wrote to stdout and stderr, over all its starts."""
        return self.data_folder / "n8n.log"

    @property
    def database(self) -> Path:
        """Its SQLite file."""
        return self.data_folder / ".n8n" / "database.sqlite"

    def is_running(self) -> bool:
        """True if the process lives; it may not answer yet."""
        return self._process is not None and self._process.poll() is None

    def spawn(self) -> None:
        """Start the process, without waiting until it answers."""
        assert not self.is_running(), "this n8n runs already"
        self.data_folder.mkdir(parents=True, exist_ok=True)
        environment = {**self._environment(), "TICKTRAIL_E2E_PARENT": str(os.getpid())}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command("start"),
                # n8n reads a .env in its working directory: here there is none.
                cwd=self.data_folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        atexit.register(self.kill)

    def stop(self) -> None:
        """Ask it to end as an administrator would (SIGTERM), and see that it did."""
        if self._process is not None and self.is_running():
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACEFUL_SHUTDOWN_SECONDS + 60)
        self.kill()

    def kill(self) -> None:
        """End it and everything it started at once, without a chance to save anything (SIGKILL)."""
        process, self._process = self._process, None
        if process is None:
            return
        # The second is how macOS says that none is left.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
        atexit.unregister(self.kill)

    def let_go(self) -> None:
        """Close the standard input that holds it, which is what the end of this process would do."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def run_command(self, *arguments: str, seconds: float = 300) -> str:
        """Run one of n8n's own commands, such as ``import:workflow``; returns what it wrote."""
        finished = subprocess.run(
            self._command(*arguments),
            cwd=self.data_folder,
            # A command opens a task broker too.
            env={**self._environment(), "N8N_RUNNERS_BROKER_PORT": str(free_port())},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        said = finished.stdout + finished.stderr
        assert finished.returncode == 0, f"n8n {' '.join(arguments)} failed:\n{said}"
        return said

    def log_tail(self, lines: int = 60) -> str:
        """The last lines of its log, stack traces left out."""
        if not self.log.is_file():
            return "(n8n wrote no log)"
        said = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join([line for line in said if not line.startswith("    at ")][-lines:])

    def _command(self, *arguments: str) -> list[str]:
        node, n8n = str(self.installation.node), str(self.installation.n8n)
        return [node, "--require", str(REROUTE), n8n, *arguments]

    def _environment(self) -> dict[str, str]:
        search_path = [str(self.installation.node.parent), os.environ.get("PATH", os.defpath)]
        environment = {
            "PATH": os.pathsep.join(search_path),
            "HOME": str(self.data_folder),
            "LANG": "C.UTF-8",
            "GENERIC_TIMEZONE": "UTC",
            "N8N_USER_FOLDER": str(self.data_folder),
            "N8N_PORT": str(self.port),
            "N8N_LISTEN_ADDRESS": "127.0.0.1",
            "N8N_RUNNERS_BROKER_PORT": str(self._runners_broker_port),
            "N8N_SECURE_COOKIE": "false",
            "N8N_DIAGNOSTICS_ENABLED": "false",
            "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
            "N8N_TEMPLATES_ENABLED": "false",
            "N8N_PERSONALIZATION_ENABLED": "false",
            "N8N_GRACEFUL_SHUTDOWN_TIMEOUT": str(GRACEFUL_SHUTDOWN_SECONDS),
            "EXECUTIONS_DATA_PRUNE": "false",
        }
        if self.meta is not None:
            environment["TICKTRAIL_E2E_META_PORT"] = str(self.meta.port)
            environment["NODE_EXTRA_CA_CERTS"] = str(self.meta.certificate)
        return {**environment, **self.extra_env}
