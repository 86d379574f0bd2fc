"""``ticktrail.toml`` with the secrets of its channels, which only alerts use."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ticktrail.settings.channels import Channel, resolve_channels
from ticktrail.settings.settings import Settings
from ticktrail.settings.user_file import UserFile, read_user_file


class AlertSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The user's file, and the channels in it with their secrets."""

    user_file: UserFile
    channels: tuple[Channel, ...]


def read_alert_settings(settings: Settings, environ: Mapping[str, str]) -> AlertSettings:
    """Return the alert settings; the defaults and no channel without a file.

    Args:
        environ: where ``url_env``, ``webhook_env`` and ``secret_env`` are looked up.

    Raises:
        SettingsError: the file, or a channel in it, cannot be used.
    """
    user_file = read_user_file(settings)
    return AlertSettings(user_file=user_file, channels=resolve_channels(user_file.channels, environ))
