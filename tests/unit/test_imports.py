"""The house's direction: who may import whom, what is pure, and what loading costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ticktrail

PACKAGE = Path(ticktrail.__file__).parent
SETTINGS = {"address", "config", "config_file", "lookup", "moments", "secret", "setting_values"}

# Module or folder → what of the package it may import, itself aside. Read from the bottom up, this is the data flow.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "model": set(),
    "query": {"errors", "model"},
    "error_codes": {"errors"},
    "phone": {"errors", "query"},
    "counts": {"model"},
    "countries": set(),
    "stats": {"counts"},
    "bars": set(),
    "teaching": {"query"},
    "grouping": {"counts", "countries", "query"},
    "execution": set(),
    "expressions": {"execution"},
    "cleaning": set(),
    "whatsapp": {"cleaning", "model"},
    "sends": {"cleaning", "execution", "expressions", "model", "whatsapp"},
    "plain": {"cleaning", "execution", "model", "whatsapp"},
    "n8n": {"cleaning", "execution", "model", "plain", "sends", "whatsapp"},
    "merge": {"model"},
    "document": {"merge", "model"},
    **{name: (SETTINGS | {"errors"}) - {name} for name in SETTINGS},
    "sources": SETTINGS | {"errors", "model"},
    "coverage": {"model"},
    "causes": set(),
    "stores": {"causes", "cleaning", "counts", "coverage", "document", "errors", "merge", "model", "query"},
    "ingest": {"coverage", "document", "merge", "model", "n8n", "prefetch", "query", "sources", "stores"},
    "prefetch": set(),
    "holder": set(),
    "walk": {"coverage", "sources"},
    "incremental": {
        *{"coverage", "errors", "ingest", "model", "n8n", "prefetch", "query", "sources", "stores", "walk"},
    },
    "audit": {"coverage", "ingest", "merge", "model", "sources", "stores"},
    "upkeep": {"coverage", "errors", "incremental", "ingest", "stores", "walk"},
    "heartbeat": {"secret"},
    "copying": {"query", "stores"},
    "thread": {"model"},
    "thread_view": {"cleaning", "document", "error_codes", "render", "thread"},
    "watch": {"errors"},
    "silence": {"checks", "coverage", "errors", "workflow_checks"},
    "scan": {"ingest", "merge", "model", "sources", "stores"},
    "reason": {"cleaning", "error_codes", "model"},
    "render": {"cleaning", "document", "error_codes", "model", "reason"},
    "explanation": {"error_codes", "reason", "render"},
    "reports": {"audit", "coverage", "ingest", "render", "stores"},
    "checks": set(),
    "workflow_checks": {"checks"},
    "render_sends": {"error_codes", "model", "reason", "render"},
    "masking": set(),
    "exports": {"errors", "render"},
    "toml_settings": {"config", "config_file", "error_codes", "errors"},
    "asked": {"config", "error_codes", "errors", "moments", "phone", "query", "toml_settings"},
    "asked_sends": {"asked", "config", "errors", "query"},
    "unseen": {"checks", "coverage", "query", "reports", "stores"},
    "overview": {"counts", "grouping", "naming", "query", "render_stats", "stats", "stores", "unseen"},
    "ledger": {"config", "stores"},
    "dashboard": {
        *{
            "alert",
            "alert_settings",
            "alerting",
            "asked",
            "asked_sends",
            "cleaning",
            "config",
            "config_file",
            "counts",
            "coverage",
        },
        *{"document", "error_codes", "errors", "exports", "grouping", "ledger", "masking", "model", "moments", "n8n"},
        *{"naming", "overview", "phone", "query", "reason", "render", "render_alerts", "render_stats", "reports"},
        *{"render_sends", "secret", "stats", "stores", "teaching", "thread", "thread_view", "toml_settings"},
    },
    "naming": {"config_file", "errors"},
    "render_stats": {"bars", "counts", "grouping", "query", "render", "stats", "teaching"},
    "alert": {"cleaning", "masking", "query"},
    "failing": {"alert", "causes", "error_codes", "masking", "model", "query"},
    "alerts": {"alert", "checks", "counts", "coverage", "error_codes", "failing", "query"},
    "summary": {
        *{"alert", "alerts", "causes", "counts", "error_codes", "failing", "stats"},
    },
    "alert_settings": SETTINGS | {"alert", "error_codes", "errors", "naming"},
    "alert_facts": {
        *{"alert", "alerts", "checks", "config", "counts", "coverage", "failing", "incremental", "naming", "query"},
        "stores",
    },
    "extras": set(),
    "channels": {"alert_settings", "extras", "secret"},
    "render_alerts": {"alert", "cleaning", "query", "render", "stores"},
    "notify": {"alert", "alert_settings", "alerts", "channels", "errors", "render_alerts", "stores"},
    "alerting": {
        *{
            "alert",
            "alert_facts",
            "alert_settings",
            "alerts",
            "channels",
            "config",
            "errors",
            "holder",
            "notify",
            "stores",
        },
    },
    "demo": {"config", "ingest", "query", "render", "reports", "sources", "stores"},
    "wizard": {"config", "errors", "sources"},
    "doctor": {
        *{"address", "checks", "config", "errors", "ingest", "render", "reports", "sources", "stores"},
        "workflow_checks",
    },
    "older_script": {"commands", "config", "document", "errors", "model", "moments", "query", "scan"},
    "cli": {"commands", "errors"},
    "__main__": {"cli"},
    "": {"counts", "errors", "model", "n8n", "query", "stores"},
}
# The commands wire everything together; only what calls them is above them.
ALLOWED["commands"] = set(ALLOWED) - {"cli", "older_script", "__main__", ""}

PURE = {
    "cleaning",
    "model",
    "coverage",
    "merge",
    "document",
    "query",
    "reason",
    "phone",
    "masking",
    "alert",
    "alerts",
    "causes",
    "failing",
    "summary",
    "counts",
    "countries",
    "stats",
    "bars",
    "teaching",
    "grouping",
    "execution",
    "expressions",
    "whatsapp",
    "sends",
    "plain",
    "n8n",
    "checks",
    "workflow_checks",
    "thread",
    *(f"dashboard/{name}" for name in ("choice", "conditions", "masked", "periods", "send_choice", "trust_words")),
    *("dashboard/verdict", "dashboard/words"),
}
RIM = {
    *{"os", "sys", "io", "socket", "ssl", "http", "urllib", "subprocess", "threading", "tempfile", "shutil", "time"},
    *{"pathlib", "random", "sqlite3", "pymongo", "bson", "httpx2", "stamina", "typer", "rich", "dotenv", "logging"},
}


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _room(path: Path) -> str:
    """The module's name, or its folder's: one room of the house."""
    first = path.relative_to(PACKAGE).parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py")


def _imports(path: Path) -> set[str]:
    """Every module a file imports, anywhere in it, by full name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            if node.module == "ticktrail":
                names |= {f"ticktrail.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_the_direction_allows(path: Path) -> None:
    """Every import of the package goes downhill, and every room is on the plan."""
    room = _room(path)
    assert room in ALLOWED, f"{room} is not on the plan in this test; put it where it belongs"
    parts = [name.split(".") for name in _imports(path)]
    rooms = {part[1] for part in parts if part[0] == "ticktrail" and len(part) > 1}
    # `from ticktrail import __version__` takes a name, not a room.
    assert rooms - {room, "__version__"} <= ALLOWED[room]


@pytest.mark.parametrize("room", sorted(PURE))
def test_the_middle_is_pure(room: str) -> None:
    """The middle has no socket, file, clock, environment or driver: time comes in as an argument."""
    path = PACKAGE / f"{room}.py"
    # Of its package the one module that takes texts apart, and asks nobody.
    assert {name.split(".")[0] for name in _imports(path) - {"urllib.parse"}} & RIM == set()
    calls = {
        node.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if node.value.id in {"datetime", "date", "time"}
    }
    assert calls & {"now", "today", "utcnow", "time"} == set()


@pytest.mark.parametrize("command", ["import ticktrail", "from ticktrail.cli.app import run; run(['--help'])"])
def test_drivers_load_only_when_chosen(command: str) -> None:
    """Neither importing the package nor asking for help loads a driver, the HTTP client or the table maker."""
    loaded = subprocess.run(
        [sys.executable, "-c", f"{command}; import sys; print(*sys.modules, file=sys.stderr)"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr.split()
    heavy = {
        "pymongo",
        "httpx2",
        "sqlite3",
        "rich",
        "ticktrail.sync.ingest",
        "fastapi",
        "nicegui",
        "uvicorn",
        "pydantic",
    }
    assert heavy & set(loaded) == set()
