"""Parse the text of a setting, one function for each kind of value.

Pure except for :func:`parse_existing_file` and :func:`default_store_url`. A :class:`ValueError` says in one clause what
is wrong; it completes "N8N_API_KEY cannot be used: …" and never repeats a secret.
"""

from __future__ import annotations

import difflib
import re
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import msgspec

from ticktrail.settings.n8n_url import unquoted
from ticktrail.settings.secret import Secret

_MONGODB_SCHEMES = ("mongodb://", "mongodb+srv://")
_OWN_DATABASES = frozenset({"admin", "local", "config"})
"""MongoDB's own databases: nothing of ours goes there (many URIs end in ``/admin``, which only names who logs in)."""

SHORTEST_TOKEN = 16
LONGEST_TOKEN = 512

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_START = re.compile(rf"\s*({_HEADER_NAME.pattern})\s*:(?!//)\s*(.*)", re.DOTALL)


def parse_api_key(text: str) -> Secret:
    """Return n8n's API key, given as such or as the header it is sent in."""
    key = re.sub(r"^(?:x-n8n-api-key\s*:|bearer\s)\s*", "", unquoted(text), flags=re.IGNORECASE)
    if set(key) & set("*•…"):
        raise ValueError("it is the shortened form; n8n shows a key in full only once, when you create it")
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("it has a space, a line break or a character that keys do not have")
    return Secret(key)


def parse_headers(text: str) -> tuple[tuple[str, Secret], ...]:
    """Return the headers in ``Name: value`` pairs separated by line breaks or ``;``, or from a JSON object of texts."""
    if text.strip().startswith("{"):
        try:
            pairs = list(msgspec.json.decode(text, type=dict[str, str]).items())
        except (msgspec.DecodeError, UnicodeEncodeError):
            raise ValueError("it is not a JSON object of texts") from None
    else:
        pairs = _header_lines(text)
    for name, value in pairs:
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError("one of the names is not the name of a header")
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"the value of {name} has a character that a header cannot carry")
    return tuple((name, Secret(value)) for name, value in pairs)


def _header_lines(text: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for line in filter(str.strip, re.split(r"[\r\n]+", text)):
        for position, part in enumerate(line.split(";")):
            begun = _HEADER_START.fullmatch(part)
            if begun:
                pairs.append((begun[1], begun[2].strip()))
            elif part.strip() and position:
                # A cookie has semicolons of its own.
                name, value = pairs.pop()
                pairs.append((name, f"{value}; {part.strip()}"))
            elif part.strip():
                raise ValueError("a part of it is not Name: value")
    return pairs


def parse_api_prefix(text: str) -> str:
    """Return a path such as ``/api/v1``, with one slash in front and none at the end."""
    path = "/" + unquoted(text).strip("/")
    if not re.fullmatch(r"(?:/[A-Za-z0-9._~-]+)+", path):
        raise ValueError("it is not a path")
    return path


def parse_mongodb_uri(text: str) -> Secret:
    """Return a MongoDB URI, shown without credentials and options."""
    uri = unquoted(text)
    scheme = next((scheme for scheme in _MONGODB_SCHEMES if uri.lower().startswith(scheme)), None)
    if scheme is None:
        raise ValueError("it does not start with mongodb:// or mongodb+srv://")
    if re.search(r"<[^<>]*>", uri):
        raise ValueError("a placeholder in <…> is still in the place of the password")
    if not _hosts_and_database(uri):
        raise ValueError("there is no host in it")
    return Secret(uri, f"{scheme}{_hosts_and_database(uri)}")


def parse_store_url(text: str) -> Secret:
    """Return a MongoDB URI, ``sqlite:///path`` or a path, shown without credentials."""
    url = unquoted(text)
    if url.lower().startswith(_MONGODB_SCHEMES):
        return parse_mongodb_uri(url)
    scheme, divider, _ = url.partition("://")
    if divider and scheme.lower() != "sqlite":
        raise ValueError("it is neither a MongoDB URI nor the path of a file")
    if url.startswith("~"):
        url = str(Path(url).expanduser())
    return Secret(url, url)


def default_store_url() -> Secret:
    """Return the path of the SQLite file in the user's data folder, without creating it."""
    import platformdirs  # noqa: PLC0415 - needed only when no store is named

    path = str(platformdirs.user_data_path("ticktrail", appauthor=False) / "ticktrail.sqlite")
    return Secret(path, path)


def parse_n8n_database_url(text: str) -> Secret:
    """Return n8n's own database: ``postgresql://…``, ``sqlite:///path`` or a path; shown without credentials."""
    url = unquoted(text)
    scheme, divider, rest = url.partition("://")
    if not divider:
        return Secret(url, url)
    if scheme.lower() == "sqlite":
        return Secret(url, url)
    if scheme.lower() not in {"postgres", "postgresql"}:
        raise ValueError("it is neither a PostgreSQL address nor the path of n8n's database.sqlite")
    return Secret(url, f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}")


def parse_identifier(text: str) -> str:
    """Return a name in n8n's database: letters, digits and underscores."""
    name = text.strip()
    if not re.fullmatch(r"\w{1,63}", name, re.ASCII):
        raise ValueError("it has characters other than letters, digits and underscores")
    return name


def database_in(url: str) -> str | None:
    """Return the database that a MongoDB URI names; None for MongoDB's own databases."""
    if not url.lower().startswith(_MONGODB_SCHEMES):
        return None
    name = unquote(_hosts_and_database(url).partition("/")[2])
    return name if name and name.lower() not in _OWN_DATABASES else None


def _hosts_and_database(uri: str) -> str:
    """Return ``host1,host2/database`` of a URI. Credentials end at the last ``@``; some passwords hold one."""
    rest = uri.partition("://")[2].rpartition("@")[2].partition("?")[0]
    return rest if re.fullmatch(r"[A-Za-z0-9._,:\[\]%-]+(?:/[^/&=\s]*)?", rest) else ""


def parse_database(text: str) -> str:
    """Return the name of a database.

    See: https://www.mongodb.com/docs/manual/reference/limits/#naming-restrictions
    """
    name = text.strip()
    if name.lower() in _OWN_DATABASES:
        raise ValueError(f"{name} is MongoDB's own database")
    if set(name) & set('/\\. "$*<>:|?\0') or len(name.encode()) > 63:
        raise ValueError('a database name has at most 63 bytes and none of / \\ . " $ * < > : | ? or space')
    return name


def parse_collection(text: str) -> str:
    """Return the name of a collection.

    See: https://www.mongodb.com/docs/manual/reference/limits/#naming-restrictions
    """
    name = text.strip()
    if set(name) & set("$\0") or name.startswith(("system.", ".")) or name.endswith(".") or len(name.encode()) > 190:
        raise ValueError("a collection name is at most 190 bytes, has no $ and does not begin with system. or a dot")
    return name


def parse_timezone(text: str) -> ZoneInfo:
    """Return an IANA time zone."""
    name = unquoted(text)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = {zone.casefold(): zone for zone in available_timezones()}
    if name.casefold() in known:
        return ZoneInfo(known[name.casefold()])
    if re.search(r"[+-]\d", name):
        raise ValueError("an offset is not a time zone")
    close = difflib.get_close_matches(name.casefold(), known, n=1, cutoff=0.7)
    raise ValueError(f"there is no time zone of that name{f' (nearest: {known[close[0]]})' if close else ''}")


def parse_label(text: str) -> str:
    """Return a short printable name."""
    label = text.strip()
    if not label.isprintable() or len(label) > 64:
        raise ValueError("a label is at most 64 printable characters")
    return label


def parse_heartbeat_url(text: str) -> Secret:
    """Return a web address, shown without its path, which is the secret part of a heartbeat URL."""
    url = unquoted(text)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("it is not a web address") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not url.isprintable() or " " in url:
        raise ValueError("it is not a web address")
    return Secret(url, f"{parts.scheme}://{parts.hostname}/…")


def parse_token(text: str) -> Secret:
    """Return an access token that cannot be guessed and can be sent in a header."""
    token = unquoted(text)
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError("it has a space, a line break or a character that a header cannot carry")
    if len(token) < SHORTEST_TOKEN or len(set(token)) < SHORTEST_TOKEN // 3:
        raise ValueError(f"it could be guessed; use at least {SHORTEST_TOKEN} random characters")
    if len(token) > LONGEST_TOKEN:
        raise ValueError(f"it is longer than {LONGEST_TOKEN} characters")
    return Secret(token)


def parse_seconds(text: str) -> int:
    """Return a whole number of seconds, from one second to a year."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit()) or not 1 <= int(digits[:12]) <= 31_536_000:
        raise ValueError("it is not a whole number of seconds")
    return int(digits)


def parse_networks(text: str) -> tuple[str, ...]:
    """Return IP addresses and networks, separated by commas: ``127.0.0.1, 10.0.0.0/8``."""
    names = tuple(filter(None, (name.strip() for name in unquoted(text).split(","))))
    for name in names:
        try:
            ip_network(name, strict=False)
        except ValueError:
            raise ValueError(f"{name} is not an IP address or network") from None
    return names


def parse_app_secrets(text: str) -> tuple[Secret, ...]:
    """Return the app secrets of Meta apps, separated by commas: 32 hexadecimal digits each."""
    parts = [part.strip() for part in unquoted(text).split(",") if part.strip()]
    if not all(re.fullmatch(r"[0-9a-fA-F]{16,128}", part) for part in parts):
        raise ValueError("an app secret has only hexadecimal digits, usually 32")
    return tuple(map(Secret, parts))


def parse_verify_token(text: str) -> Secret:
    """Return the verify token of a Meta app: printable, without spaces."""
    token = unquoted(text)
    if not token.isprintable() or " " in token:
        raise ValueError("a verify token has no spaces or line breaks")
    return Secret(token)


def parse_forward_url(text: str) -> str:
    """Return n8n's inner address: scheme, host and port. The path comes from each request."""
    url = unquoted(text).rstrip("/")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("it is not a web address") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not url.isprintable() or " " in url or port == 0:
        raise ValueError("it is not a web address")
    if parts.path or parts.query or parts.username:
        raise ValueError("it must be an address without a path, such as http://127.0.0.1:5678")
    return url


def parse_forward(text: str) -> str:
    """Return which webhooks are forwarded to n8n."""
    chosen = unquoted(text).lower()
    if chosen not in {"messages", "all", "none"}:
        raise ValueError("use messages, all or none")
    return chosen


def parse_port(text: str) -> int:
    """Return a port number from 1 to 65535."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit()) or not 1 <= int(digits[:6]) <= 65_535:
        raise ValueError("a port is a number from 1 to 65535")
    return int(digits)


def default_journal(store_url: str, directory: Path) -> Path:
    """Return the path of the receiver's journal: beside a SQLite store, else in the user's data folder."""
    name = "ticktrail-journal.sqlite"
    if store_url.lower().startswith(_MONGODB_SCHEMES):
        import platformdirs  # noqa: PLC0415 - needed only when no file is named

        return Path(platformdirs.user_data_path("ticktrail", appauthor=False)) / name
    path = store_url.removeprefix("sqlite:///") if store_url.lower().startswith("sqlite:///") else store_url
    return (directory / path).parent / name


def parse_existing_file(text: str, directory: Path) -> Path:
    """Return the path of an existing file; a relative path starts at ``directory``."""
    name = unquoted(text)
    if not name.isprintable():
        raise ValueError(
            r"it has a line break or another control character: in .env, write C:\... without double quotes"
        )
    path = directory / Path(name).expanduser()
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path
