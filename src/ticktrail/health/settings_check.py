"""Check the settings, their files and this machine, without any request."""

from __future__ import annotations

import os
import platform
import sqlite3
import stat
from collections.abc import Sequence
from datetime import datetime

from ticktrail import __version__
from ticktrail.errors import ConfigurationError
from ticktrail.health.checks import Finding, Severity
from ticktrail.settings.channels import resolve_channels
from ticktrail.settings.n8n_url import is_local
from ticktrail.settings.settings import SettingFault, Settings
from ticktrail.settings.user_file import read_user_file
from ticktrail.text.formatting import date_time

_OLDEST_SQLITE = (3, 34, 0)


def check_settings(settings: Settings, faults: Sequence[SettingFault], now: datetime) -> list[Finding]:
    """Return the findings about the settings and this machine."""
    findings = [_versions(), *(_finding("settings", Severity.FAULT, str(f.error), f.error.remedy) for f in faults)]
    findings += [_finding("settings", Severity.WARNING, warning, "Correct it there.") for warning in settings.warnings]
    missing = _missing(settings, {fault.name for fault in faults})
    if missing:
        names = " and ".join(filter(None, [", ".join(missing[:-1]), missing[-1]]))
        findings.append(
            _finding(
                "settings",
                Severity.FAULT,
                f"{names} {'is' if len(missing) == 1 else 'are'} not set, neither in the environment nor in "
                f"{settings.directory / '.env'}.",
                "Type: ticktrail init",
            )
        )
    elif not faults:
        findings.append(_finding("settings", Severity.OK, "All that is needed is set."))
    findings += _user_file(settings) + _private(settings)
    local = now.astimezone(settings.timezone)
    findings.append(_finding("time zone", Severity.OK, f"{settings.timezone}, where it is {date_time(local)} now."))
    heartbeat = (
        f"After each good sync {settings.heartbeat_url} is called."
        if settings.heartbeat_url
        else "TICKTRAIL_HEARTBEAT_URL is not set (optional): no monitor notices when syncs stop."
    )
    findings.append(_finding("heartbeat", Severity.OK, heartbeat))
    return findings


def has_way_in(settings: Settings) -> bool:
    """Return True when a setting can authenticate at n8n, or at a proxy in front of it."""
    return bool(settings.n8n.api_key or settings.n8n.basic_user or settings.n8n.headers)


def _missing(settings: Settings, unusable: set[str]) -> list[str]:
    if settings.receives_alone:
        return []
    has_database = settings.n8n.database_url is not None
    wanted = {
        "N8N_BASE_URL": has_database or bool(settings.n8n.base_url),
        "N8N_API_KEY": has_database or has_way_in(settings),
        "WORKFLOW_ID_WHATSAPP": bool(settings.workflow_ids),
    }
    return [name for name, given in wanted.items() if not given and name not in unusable]


def _versions() -> Finding:
    says = f"Ticktrail {__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}."
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        return _finding(
            "versions",
            Severity.WARNING,
            f"{says} This SQLite is older than 3.34, the oldest that Ticktrail was tried with.",
            "Use a newer Python, or keep the messages in MongoDB.",
        )
    return _finding("versions", Severity.OK, says)


def _user_file(settings: Settings) -> list[Finding]:
    """Check ``ticktrail.toml``, the secrets of its channels included."""
    if settings.config_file is None:
        return []
    try:
        resolve_channels(read_user_file(settings).channels, os.environ)
    except ConfigurationError as error:
        return [_finding("ticktrail.toml", Severity.FAULT, str(error), error.remedy)]
    return [_finding("ticktrail.toml", Severity.OK, f"{settings.config_file} can be used.")]


def _private(settings: Settings) -> list[Finding]:
    """Check that secrets are readable by their owner only, and are sent encrypted."""
    findings = []
    path = settings.directory / ".env"
    if os.name == "posix" and path.is_file() and path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        findings.append(
            _finding(
                ".env",
                Severity.WARNING,
                f"Every user of this machine may read {path}, which holds secrets.",
                f"Type: chmod 600 '{path}'",
            )
        )
    url = settings.n8n.base_url
    if url.startswith("http://") and not is_local(url):
        findings.append(
            _finding(
                "n8n address",
                Severity.WARNING,
                f"{url} is not encrypted: others on the network can read the key and your messages.",
                "Let N8N_BASE_URL begin with https://.",
            )
        )
    return findings


def _finding(name: str, severity: Severity, says: str, remedy: str = "") -> Finding:
    return Finding(name=name, severity=severity, says=says, remedy=remedy)
