"""The tables ``[[channels]]`` of ``ticktrail.toml``: where alerts and reports are sent.

[[channels]]
webhook = "https://n8n.example.com/webhook/ticktrail"
secret_env = "TICKTRAIL_WEBHOOK_SECRET"

A secret may be written into the file, or named by ``…_env`` or ``…_file``. It is read when a channel is used, so that
commands that send nothing work without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from ticktrail.errors import SettingsError
from ticktrail.settings.environment import read_text
from ticktrail.settings.secret import Secret
from ticktrail.settings.toml_values import check_keys, text_of

_SECRETS = ("url", "webhook", "secret")
_KEYS = ("name", *(f"{name}{ending}" for name in _SECRETS for ending in ("", "_env", "_file")))
_LONGEST_NAME = 64
_SHORTEST_SECRET = 16


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """A place to send alerts to.

    Attributes:
        name: unique in the file; the store remembers under it what was sent.
        kind: ``apprise`` for its kind of URL, ``webhook`` for a POST of our JSON.
        url: shown without what is secret in it.
        secret: key of a webhook's signature; None for no signature.
    """

    name: str
    kind: Literal["apprise", "webhook"]
    url: Secret
    secret: Secret | None = None


class ChannelTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table as written, with known keys that hold texts. ``where`` names it in errors."""

    where: str
    folder: Path
    texts: Mapping[str, str]

    def __repr__(self) -> str:
        return f"ChannelTable({self.where!r})"


def parse_channels(value: object, where: str, folder: Path) -> tuple[ChannelTable, ...]:
    """Return the tables of a list; relative files are looked for in ``folder``.

    Raises:
        SettingsError: it is not a list of tables, or one has an unknown key or a malformed value.
    """
    if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
        raise SettingsError(
            f"{where} is not a list of tables.",
            remedy='Write [[channels]] with two brackets, and below it url = "slack://…" or webhook = "https://…"',
        )
    return tuple(_table(table, f"{where} number {number}", folder) for number, table in enumerate(value, 1))


def resolve_channels(tables: Sequence[ChannelTable], environ: Mapping[str, str]) -> tuple[Channel, ...]:
    """Return the channels with their secrets.

    Raises:
        SettingsError: a secret is missing, an address is malformed, or two channels have one name.
    """
    channels: list[Channel] = []
    for table in tables:
        channel = _channel(table, environ)
        if any(channel.name == other.name for other in channels):
            raise SettingsError(
                f"{table.where} has the name of another channel, {channel.name}.",
                remedy="Give each channel a name of its own.",
            )
        channels.append(channel)
    return tuple(channels)


def _table(table: Mapping[str, Any], where: str, folder: Path) -> ChannelTable:
    check_keys(table, _KEYS, where)
    texts = {key: text_of(value, f"{where}: {key}", f'{key} = "…"') for key, value in table.items()}
    for name in _SECRETS:
        given = [key for key in texts if key.removesuffix("_env").removesuffix("_file") == name]
        if len(given) > 1:
            raise SettingsError(f"{where} has both {given[0]} and {given[1]}.", remedy="Leave one of them out.")
    if sum(key.startswith(("url", "webhook")) for key in texts) != 1:
        raise SettingsError(
            f"{where} needs either a url, which Apprise understands, or a webhook.",
            remedy='For example url = "slack://…" or webhook = "https://n8n.example.com/webhook/ticktrail"',
        )
    name = texts.get("name", "channel")
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise SettingsError(f"{where}: name is not a short text.", remedy='Use a text such as name = "team"')
    return ChannelTable(where=where, folder=folder, texts=texts)


def _channel(table: ChannelTable, environ: Mapping[str, str]) -> Channel:
    url, webhook, secret = (_secret(table, name, environ) for name in _SECRETS)
    address = url or webhook or ""
    scheme, host = _scheme_and_host(address)
    if webhook is not None and (scheme not in {"http", "https"} or not host):
        raise SettingsError(
            f"{table.where}: webhook is not a web address.",
            remedy='Use an address such as webhook = "https://n8n.example.com/webhook/ticktrail"',
        )
    if url is not None and not scheme:
        raise SettingsError(
            f"{table.where}: url is not one that Apprise understands.",
            remedy='Use an address such as url = "mailto://user:pass@example.com"',
        )
    if secret is not None and (webhook is None or len(secret) < _SHORTEST_SECRET):
        wrong = (
            "a secret is for webhooks only"
            if webhook is None
            else f"the secret is shorter than {_SHORTEST_SECRET} characters"
        )
        raise SettingsError(f"{table.where}: {wrong}.", remedy="Make a secret with: openssl rand -hex 32")
    # What follows the scheme of an Apprise URL is mostly a token.
    shown = f"{scheme}://{host}/…" if webhook is not None else f"{scheme}://…"
    return Channel(
        name=table.texts.get("name", f"{scheme}-{host}" if webhook is not None else scheme),
        kind="apprise" if webhook is None else "webhook",
        url=Secret(address, shown),
        secret=None if secret is None else Secret(secret),
    )


def _secret(table: ChannelTable, name: str, environ: Mapping[str, str]) -> str | None:
    """Return a text that the table holds, or names by ``…_env`` or ``…_file``; None when it does neither."""
    if name in table.texts:
        return table.texts[name]
    if variable := table.texts.get(f"{name}_env"):
        text = environ.get(variable, "").strip()
        if not text:
            raise SettingsError(
                f"{table.where}: {name}_env names {variable}, which is not set.", remedy=f"Set {variable}."
            )
        return text
    file = table.texts.get(f"{name}_file")
    if file is None:
        return None
    try:
        return read_text(table.folder / Path(file).expanduser()).strip()
    except OSError as error:
        raise SettingsError(
            f"{table.where}: {name}_file names {file}, which cannot be read: {error.strerror}.",
            remedy="Give this user access to the file, or name another.",
        ) from error


def _scheme_and_host(url: str) -> tuple[str, str]:
    """Return scheme and host of a URL; empty texts where it has none."""
    if not url.isprintable() or " " in url:
        return "", ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return (parts.scheme if "://" in url else ""), parts.hostname or ""
