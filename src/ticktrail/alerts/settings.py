"""What ``ticktrail.toml`` says of alerts: thresholds in ``[alerts]``, who is told in ``[[channels]]``.

[alerts]
stuck_after = "24h"
quiet = "22:00-07:00"

[[channels]]
webhook = "https://n8n.example.com/webhook/ticktrail"
secret_env = "TICKTRAIL_WEBHOOK_SECRET"
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from ticktrail.alerts.alert import AlertKind, Rules
from ticktrail.errors import ConfigurationError, SettingsError
from ticktrail.messages.error_codes import TABLE, Catalogue, packaged
from ticktrail.settings.config_file import read_config_file
from ticktrail.settings.environment import read_text
from ticktrail.settings.naming import Naming, read_naming
from ticktrail.settings.secret import Secret
from ticktrail.text.times import parse_duration

_DURATIONS = ("window", "stuck_after", "silence_after", "sync_after", "remind_after")
_RATES = ("rate", "stuck_rate", "delivery_drop")
_OTHERS = ("at_least", "silence_factor", "rates", "off", "quiet")
_KEYS = (*_DURATIONS, *_RATES, *_OTHERS)
_CHANNEL_KEYS = ("name", "url", "url_env", "url_file", "webhook", "webhook_env", "webhook_file", "secret",
                 "secret_env", "secret_file")  # fmt: skip
_LONGEST_SECONDS = 30 * 86_400
_LONGEST_NAME = 64
_SHORTEST_SECRET = 16
_QUIET = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-3]):([0-5]\d)")
_KIND_OR_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,80}")


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """Somewhere to tell people.

    Attributes:
        name: unique in the file; under it the store remembers who was told.
        kind: ``apprise`` for its kind of URL, ``webhook`` for a POST of our JSON.
        url: shown without what is secret in it.
        secret: what signs a webhook; None for no signature.
    """

    name: str
    kind: Literal["apprise", "webhook"]
    url: Secret
    secret: Secret | None = None


class AlertSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that alerts take from the settings."""

    rules: Rules
    channels: tuple[Channel, ...]
    catalogue: Catalogue
    naming: Naming


def read_alert_settings(path: Path | None, environ: Mapping[str, str]) -> AlertSettings:
    """What a file says; the usual rules and no channel without one.

    Args:
        environ: where ``url_env`` and ``secret_env`` are looked up.

    Raises:
        SettingsError: it cannot be read, or something in it is malformed; named with a good example.
    """
    if path is None:
        return AlertSettings(rules=Rules(), channels=(), catalogue=packaged(), naming=Naming())
    content = read_config_file(path)
    return AlertSettings(
        rules=_rules(content.get("alerts", {}), f"{path}: [alerts]"),
        channels=_channels(content.get("channels", []), f"{path}: [[channels]]", environ, path.parent),
        catalogue=packaged().with_own(content.get(TABLE, {}), str(path)),
        naming=read_naming(path),
    )


def _rules(table: object, where: str) -> Rules:
    if not isinstance(table, Mapping):
        raise SettingsError(f"{where} is no table.", remedy='Write [alerts], and below it stuck_after = "24h"')
    given: dict[str, Any] = {}
    for key, value in table.items():
        _known(key, _KEYS, where)
        if key == "sync_after":
            # Read where every face asks whether a sync is late: ticktrail.queries.completeness.late_after.
            _seconds(value, f"{where} {key}")
        elif key in _DURATIONS:
            given[key] = _seconds(value, f"{where} {key}")
        elif key in _RATES:
            given[key] = _share(value, f"{where} {key}")
        else:
            given[key] = _READERS[key](value, f"{where} {key}")
    return Rules(**given)


def _seconds(value: object, where: str) -> int:
    try:
        seconds = parse_duration(value) if isinstance(value, str) else 0
    except ConfigurationError:
        seconds = 0
    if not 60 <= seconds <= _LONGEST_SECONDS:
        raise SettingsError(
            f"{where} is no length of time from one minute to 30 days.", remedy='It should look like this: "90m", "24h"'
        )
    return seconds


def _share(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise SettingsError(f"{where} is no share of messages.", remedy="It is above 0 and at most 1: 0.1 is 10 %")
    return float(value)


def _count(value: object, where: str) -> int:
    if type(value) is not int or not 1 <= value <= 1_000_000:
        raise SettingsError(f"{where} is no number of messages.", remedy="It is a whole number, 1 or more: 20")
    return value


def _factor(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 100:
        raise SettingsError(f"{where} is no factor.", remedy="It is a number from 1 to 100: 1.5")
    return float(value)


def _rates(value: object, where: str) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise SettingsError(f"{where} is no table.", remedy="Write [alerts.rates], and below it 131049 = 0.3")
    return {str(code): _share(rate, f"{where} {code}") for code, rate in value.items()}


def _off(value: object, where: str) -> frozenset[str]:
    names = [str(one) for one in value] if isinstance(value, list) else [""]
    wrong = next((name for name in names if not _KIND_OR_KEY.fullmatch(name)), None)
    if wrong is not None:
        raise SettingsError(
            f"{where} is no list of what needs no alert.",
            remedy=f'It names kinds ({", ".join(AlertKind)}), failure codes and keys of alerts: ["silence", "131049"]',
        )
    return frozenset(names)


def _quiet(value: object, where: str) -> tuple[int, int]:
    found = _QUIET.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise SettingsError(f"{where} is no span of the day.", remedy='It should look like this: "22:00-07:00"')
    begin_hour, begin, end_hour, end = map(int, found.groups())
    return begin_hour * 60 + begin, end_hour * 60 + end


_READERS: dict[str, Callable[[object, str], Any]] = {
    "at_least": _count,
    "silence_factor": _factor,
    "rates": _rates,
    "off": _off,
    "quiet": _quiet,
}


def _channels(tables: object, where: str, environ: Mapping[str, str], folder: Path) -> tuple[Channel, ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise SettingsError(
            f"{where} is no list of tables.",
            remedy='Write [[channels]] with two brackets, and below it url = "slack://…" or webhook = "https://…"',
        )
    channels: list[Channel] = []
    for number, table in enumerate(tables, 1):
        channel = _channel(table, f"{where} number {number}", environ, folder)
        if any(channel.name == other.name for other in channels):
            raise SettingsError(
                f"{where} number {number} has the name of another, {channel.name}.",
                remedy="Give each a name of its own.",
            )
        channels.append(channel)
    return tuple(channels)


def _channel(table: Mapping[str, Any], where: str, environ: Mapping[str, str], folder: Path) -> Channel:
    for key in table:
        _known(key, _CHANNEL_KEYS, where)
    found = {what: _text_of(table, what, where, environ, folder) for what in ("url", "webhook", "secret")}
    url, webhook, secret = found["url"], found["webhook"], found["secret"]
    if (url is None) == (webhook is None):
        raise SettingsError(
            f"{where} needs either a url, which Apprise understands, or a webhook.",
            remedy='For example url = "slack://…" or webhook = "https://n8n.example.com/webhook/ticktrail"',
        )
    address = url or webhook or ""
    scheme, host = _shown(address)
    if webhook is not None and (scheme not in {"http", "https"} or not host):
        raise SettingsError(
            f"{where}: webhook is no web address.", remedy='webhook = "https://n8n.example.com/webhook/ticktrail"'
        )
    if url is not None and not scheme:
        raise SettingsError(
            f"{where}: url is none that Apprise understands.",
            remedy='For example url = "mailto://user:pass@example.com"',
        )
    if secret is not None and (webhook is None or len(secret) < _SHORTEST_SECRET):
        wrong = (
            "a secret is for webhooks"
            if webhook is None
            else f"the secret is shorter than {_SHORTEST_SECRET} characters"
        )
        raise SettingsError(f"{where}: {wrong}.", remedy="Make one with: openssl rand -hex 32")
    # What follows the scheme of an Apprise URL is mostly a token.
    shown = f"{scheme}://{host}/…" if webhook is not None else f"{scheme}://…"
    name = table.get("name", f"{scheme}-{host}" if webhook is not None else scheme)
    if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise SettingsError(f"{where}: name is no short text.", remedy='It should look like this: name = "team"')
    return Channel(
        name=name.strip(),
        kind="apprise" if webhook is None else "webhook",
        url=Secret(address, shown),
        secret=None if secret is None else Secret(secret),
    )


def _text_of(table: Mapping[str, Any], what: str, where: str, environ: Mapping[str, str], folder: Path) -> str | None:
    """A text that may stand in the file, in the environment or in another file."""
    given = [key for key in (what, f"{what}_env", f"{what}_file") if key in table]
    if not given:
        return None
    key, value = given[0], table[given[0]]
    if len(given) > 1:
        raise SettingsError(f"{where} has both {given[0]} and {given[1]}.", remedy="Leave one of them out.")
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(f"{where}: {key} is no text.", remedy=f'It should look like this: {key} = "…"')
    text = value
    if key.endswith("_env"):
        text = environ.get(value, "")
        if not text.strip():
            raise SettingsError(f"{where}: {key} names {value}, which is not set.", remedy=f"Set {value}.")
    elif key.endswith("_file"):
        try:
            text = read_text(folder / Path(value).expanduser())
        except OSError as error:
            raise SettingsError(
                f"{where}: {key} names {value}, which cannot be read: {error.strerror}.",
                remedy="Let this user read it, or name another.",
            ) from error
    return text.strip()


def _shown(url: str) -> tuple[str, str]:
    """Scheme and host of a URL; empty where it has none."""
    if not url.isprintable() or " " in url:
        return "", ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return (parts.scheme if "://" in url else ""), parts.hostname or ""


def _known(key: object, keys: tuple[str, ...], where: str) -> None:
    if key not in keys:
        close = difflib.get_close_matches(str(key), keys, n=1)
        hint = f"Did you mean {close[0]}? " if close else ""
        raise SettingsError(
            f"{where} has a key {str(key)[:40]!a}, which is none.", remedy=f"{hint}The keys are {', '.join(keys)}."
        )
