"""Finding n8n's database on this machine: its settings, its folder, and Docker's volumes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ticktrail.sources.n8n_database.discovery import FoundDatabase, find_databases


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home without n8n."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def find(home: Path, environ: dict[str, str] | None = None, directory: Path | None = None) -> list[FoundDatabase]:
    """The databases found with these settings."""
    return find_databases(environ or {}, directory or home, home=home, volumes=home.parent / "volumes")


def put(path: Path, text: str = "") -> Path:
    """Create a file and its folders; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_is_found_where_there_is_no_n8n(home: Path) -> None:
    """A machine without n8n gets no offer."""
    assert find(home) == []


def test_sqlite_files_are_found_in_n8ns_folders(home: Path, tmp_path: Path) -> None:
    """N8N_USER_FOLDER comes first, then this user's folder, then Docker's volumes of both usual layouts."""
    chosen = put(tmp_path / "chosen" / ".n8n" / "database.sqlite")
    own = put(home / ".n8n" / "database.sqlite")
    volumes = [
        put(tmp_path / "volumes" / "a" / "_data" / "database.sqlite"),
        put(tmp_path / "volumes" / "b" / "_data" / ".n8n" / "database.sqlite"),
    ]
    put(tmp_path / "volumes" / "c" / "_data" / "other.sqlite")
    found = find(home, {"N8N_USER_FOLDER": str(tmp_path / "chosen")})
    assert [one.url for one in found] == [str(chosen), str(own), *map(str, volumes)]


def test_a_database_file_of_another_name(home: Path) -> None:
    """DB_SQLITE_DATABASE names the file."""
    path = put(home / ".n8n" / "n8n.sqlite")
    assert [one.url for one in find(home, {"DB_SQLITE_DATABASE": "n8n.sqlite"})] == [str(path)]


@pytest.mark.parametrize("place", ["environment", "compose", "n8n"])
def test_postgresql_is_found_in_n8ns_settings(home: Path, tmp_path: Path, place: str) -> None:
    """The environment, the .env beside compose.yaml, and the .env in n8n's folder name host, role and schema."""
    settings = {
        "DB_TYPE": "postgresdb",
        "DB_POSTGRESDB_HOST": "db.example.com",
        "DB_POSTGRESDB_PORT": "5433",
        "DB_POSTGRESDB_DATABASE": "flows",
        "DB_POSTGRESDB_USER": "n8n",
        "DB_POSTGRESDB_PASSWORD": "pass/word",
        "DB_POSTGRESDB_SCHEMA": "automation",
        "DB_TABLE_PREFIX": "n8n_",
    }
    text = "\n".join(f"{name}={value}" for name, value in settings.items())
    if place != "environment":
        put((tmp_path / "compose" if place == "compose" else home / ".n8n") / ".env", text)
    (found,) = find(home, settings if place == "environment" else {}, tmp_path / "compose")
    assert found.url == "postgresql://n8n:pass%2Fword@db.example.com:5433/flows"
    assert (found.schema, found.prefix) == ("automation", "n8n_")
    assert "word" not in found.shown


def test_postgresql_with_n8ns_defaults_and_a_password_file(home: Path) -> None:
    """Settings that n8n's environment leaves out have n8n's defaults."""
    secret = put(home / "secret", "from-file\n")
    (found,) = find(home, {"DB_TYPE": "postgresdb", "DB_POSTGRESDB_PASSWORD_FILE": str(secret)})
    assert found.url == "postgresql://postgres:from-file@localhost:5432/n8n"


def test_other_databases_are_not_offered(home: Path) -> None:
    """MySQL, which n8n 1.x could use, is not offered."""
    assert find(home, {"DB_TYPE": "mysqldb", "DB_MYSQLDB_HOST": "db.example.com"}) == []
