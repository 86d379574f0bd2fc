"""Import rules: the layers of the package, what is pure, and what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ticktrail

PACKAGE = Path(ticktrail.__file__).parent

# From the bottom up. A package imports itself and the layers below its own, never a package of its own layer.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"errors"}),
    frozenset({"text"}),
    frozenset({"messages"}),
    frozenset({"extraction", "settings"}),
    frozenset({"sources", "stores"}),
    frozenset({"sync", "queries"}),
    frozenset({"health"}),
    frozenset({"alerts"}),
    frozenset({"output"}),
    frozenset({"cli", "web", "receiver"}),
    frozenset({"__main__", ""}),
)
# The commands that start a server may load it.
EXCEPTIONS = {("cli/commands/serve.py", "web"), ("cli/commands/receive.py", "receiver")}
LEVEL = {package: level for level, layer in enumerate(LAYERS) for package in layer}

PURE = ("text", "messages", "extraction")
IMPURE = {
    *{"os", "sys", "io", "socket", "ssl", "http", "urllib", "subprocess", "threading", "tempfile", "shutil", "time"},
    *{"pathlib", "random", "sqlite3", "pymongo", "bson", "httpx2", "stamina", "typer", "rich", "dotenv", "logging"},
}


def _modules(*packages: str) -> list[Path]:
    return sorted(path for package in packages or (".",) for path in (PACKAGE / package).rglob("*.py"))


def _package(path: Path) -> str:
    """The top-level package or module that a file belongs to; the empty text for ``ticktrail`` itself."""
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
            if node.module == "ticktrail" or node.module.startswith("ticktrail."):
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", _modules(), ids=_relative)
def test_imports_point_downward(path: Path) -> None:
    """A module imports only its own package and packages of lower layers."""
    package = _package(path)
    assert package in LEVEL, f"{package} has no layer; add it to the table in this test"
    parts = [name.split(".") for name in _imports(path)]
    imported = {part[1] for part in parts if part[0] == "ticktrail" and len(part) > 1} - {package, "__version__"}
    upward = {name for name in imported if LEVEL.get(name, 0) >= LEVEL[package]}
    assert {name for name in upward if (_relative(path), name) not in EXCEPTIONS} == set()


def test_modules_form_no_import_cycle() -> None:
    """Following module-level imports from any module never leads back to it."""
    names = {
        ".".join(("ticktrail", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in _modules()
    }
    graph = {name: (_imports(path) & names.keys()) - {name} for name, path in names.items()}
    finished: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name not in finished:
            for other in sorted(graph[name]):
                visit(other, (*trail, name))
            finished.add(name)

    for name in sorted(graph):
        visit(name, ())


@pytest.mark.parametrize("path", _modules(*PURE), ids=_relative)
def test_the_domain_is_pure(path: Path) -> None:
    """Text, messages and extraction use no socket, file, clock, environment or driver; time is an argument."""
    assert {name.split(".")[0] for name in _imports(path) - {"urllib.parse", "importlib.resources"}} & IMPURE == set()
    calls = {
        node.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if node.value.id in {"datetime", "date", "time"}
    }
    assert calls & {"now", "today", "utcnow", "time"} == set()


def test_the_top_of_the_package_stays_small() -> None:
    """At most 18 packages and files at the top of the package."""
    entries = sorted(path.name for path in PACKAGE.iterdir() if path.name != "__pycache__")
    assert len(entries) <= 18, entries


@pytest.mark.parametrize("path", _modules(), ids=_relative)
def test_modules_stay_short(path: Path) -> None:
    """No module has more than 400 lines."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", _modules(), ids=_relative)
def test_functions_stay_short(path: Path) -> None:
    """No function has more than 60 lines."""
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    too_long = [node.name for node in functions if (node.end_lineno or 0) - node.lineno >= 60]
    assert too_long == []


@pytest.mark.parametrize("command", ["import ticktrail", "from ticktrail.cli.app import run; run(['--help'])"])
def test_drivers_load_only_when_chosen(command: str) -> None:
    """Neither importing the package nor asking for help loads a driver, the HTTP client or the table renderer."""
    loaded = subprocess.run(
        [sys.executable, "-c", f"{command}; import sys; print(*sys.modules, file=sys.stderr)"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr.split()
    heavy = {
        *{"pymongo", "httpx2", "sqlite3", "rich", "ticktrail.sync.ingest", "fastapi", "jinja2", "uvicorn", "pydantic"}
    }
    assert heavy & set(loaded) == set()
