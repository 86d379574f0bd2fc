"""Find the database of an n8n on this machine, from n8n's own settings and the places where it keeps its file.

See: https://docs.n8n.io/hosting/configuration/environment-variables/database/
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import msgspec
from dotenv import dotenv_values

_DOCKER_VOLUMES = Path("/var/lib/docker/volumes")
_CONTAINER_HOME = Path("/home/node")


class FoundDatabase(msgspec.Struct, frozen=True, kw_only=True):
    """A database that n8n may use. ``url`` may hold a password; ``shown`` does not.

    Attributes:
        shown: the address or path, and where it was found.
        schema: n8n's ``DB_POSTGRESDB_SCHEMA``.
        prefix: n8n's ``DB_TABLE_PREFIX``.
        is_n8ns_role: ``url`` has the role with which n8n itself writes.
    """

    url: str
    shown: str
    schema: str | None = None
    prefix: str | None = None
    is_n8ns_role: bool = False


def find_databases(
    environ: Mapping[str, str], directory: Path, *, home: Path, volumes: Path = _DOCKER_VOLUMES
) -> list[FoundDatabase]:
    """Return the databases that n8n on this machine may use, the likeliest first.

    Looks at n8n's settings in ``environ`` and in ``.env`` files, then for ``database.sqlite`` in n8n's folder of this
    user, of the container's user, and in Docker's volumes. Folders that cannot be entered are skipped.

    Args:
        directory: the working directory; it may be the folder of n8n's ``compose.yaml``.
        home: this user's home.
    """
    folders = [directory, *(place / ".n8n" for place in _homes(environ, home))]
    settings = [("the environment", environ), *((str(folder / ".env"), _read(folder / ".env")) for folder in folders)]
    found = [database for place, names in settings if (database := _postgresql(names, f"set in {place}")) is not None]
    found += [FoundDatabase(url=str(path), shown=str(path)) for path in _files(environ, home, volumes)]
    return list({database.url: database for database in reversed(found)}.values())[::-1]


def _homes(environ: Mapping[str, str], home: Path) -> list[Path]:
    chosen = environ.get("N8N_USER_FOLDER")
    return [*([Path(chosen)] if chosen else []), home, _CONTAINER_HOME]


def _files(environ: Mapping[str, str], home: Path, volumes: Path) -> Iterator[Path]:
    name = environ.get("DB_SQLITE_DATABASE") or "database.sqlite"
    paths = [place / ".n8n" / name for place in _homes(environ, home)]
    with contextlib.suppress(OSError):
        # A volume is mounted as n8n's folder itself, or as the home around it.
        paths += [path for volume in sorted(volumes.iterdir()) for path in _in_volume(volume / "_data", name)]
    for path in paths:
        with contextlib.suppress(OSError):
            if path.is_file():
                yield path


def _in_volume(data: Path, name: str) -> tuple[Path, Path]:
    return data / name, data / ".n8n" / name


def _read(path: Path) -> dict[str, str]:
    with contextlib.suppress(OSError, UnicodeError):
        return {name: value for name, value in dotenv_values(path).items() if value is not None}
    return {}


def _postgresql(names: Mapping[str, str], place: str) -> FoundDatabase | None:
    """Return the PostgreSQL database that n8n's settings name, if they do."""
    if names.get("DB_TYPE") != "postgresdb":
        return None
    user, password = names.get("DB_POSTGRESDB_USER") or "postgres", names.get("DB_POSTGRESDB_PASSWORD")
    host, port = names.get("DB_POSTGRESDB_HOST") or "localhost", names.get("DB_POSTGRESDB_PORT") or "5432"
    database = names.get("DB_POSTGRESDB_DATABASE") or "n8n"
    file = names.get("DB_POSTGRESDB_PASSWORD_FILE")
    if not password and file:
        with contextlib.suppress(OSError, UnicodeError):
            password = Path(file).read_text(encoding="utf-8").strip()
    credentials = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    address = f"{host}:{port}/{quote(database, safe='')}"
    return FoundDatabase(
        url=f"postgresql://{credentials}@{address}",
        shown=f"postgresql://{address} ({place})",
        schema=names.get("DB_POSTGRESDB_SCHEMA") or None,
        prefix=names.get("DB_TABLE_PREFIX") or None,
        is_n8ns_role=True,
    )
