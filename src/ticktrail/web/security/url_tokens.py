"""Sealed texts in page addresses: a person, a message, a cursor.

Addresses are shared, logged and kept in histories, so they hold no phone number and no message id, which contains one.
:class:`UrlTokens` seals a text with AES-SIV: the same text always gives the same token, so that an address stays valid,
and only the key's holder can make or read one. See: https://www.rfc-editor.org/rfc/rfc5297
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import secrets
from pathlib import Path

import platformdirs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from ticktrail.settings.settings import Settings
from ticktrail.text.masking import mask_text

KEY_FILE = "dashboard.key"
_KEY_BYTES = 32
_SEALED = "~"
"""Prefix of a sealed value."""

_MAX_TOKEN = 4_096


class UrlTokens:
    """Seals and opens texts with one key of 32 bytes.

    Texts from the store (a person, a message, a cursor) and texts that a visitor typed are sealed apart: the page makes
    an address of whatever is typed, and a viewer must not get the address of a person from a typed number.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)

    def token(self, text: str) -> str:
        """The token of a text from the store: letters, digits, ``-`` and ``_``."""
        return self._seal(text, b"stored")

    def text(self, token: str) -> str | None:
        """The text of a token; None when the token was not made with this key."""
        return self._open(token, b"stored")

    def value(self, text: str) -> str:
        """A typed text for an address: as it is, or sealed when it may hold a phone number or a message id."""
        harmless = mask_text(text) == text and not text.startswith(_SEALED) and len(text) <= 100
        return text if harmless else self.sealed(text)

    def sealed(self, text: str) -> str:
        """A typed text, always sealed."""
        return _SEALED + self._seal(text, b"typed")

    def opened(self, value: str) -> str | None:
        """The text of what :meth:`value` made; None when it was sealed with another key."""
        return self._open(value[len(_SEALED) :], b"typed") if value.startswith(_SEALED) else value

    def _seal(self, text: str, purpose: bytes) -> str:
        sealed = self._cipher.encrypt(text.encode("utf-8", "replace"), [purpose])
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def _open(self, token: str, purpose: bytes) -> str | None:
        if len(token) > _MAX_TOKEN:
            return None
        try:
            raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
            return self._cipher.decrypt(raw, [purpose]).decode("utf-8", "replace")
        except (UnicodeError, binascii.Error, ValueError, InvalidTag):
            return None


def data_folder(settings: Settings) -> Path:
    """The folder of the dashboard's own files: the SQLite file's folder, else the user's data folder."""
    url = settings.store_url.reveal()
    if "://" not in url or url.lower().startswith("sqlite:"):
        from ticktrail.stores.sqlite.connection import path_of  # noqa: PLC0415 - the driver loads when chosen

        path = path_of(url)
        if path is not None:
            return path.parent
    return platformdirs.user_data_path("ticktrail", appauthor=False)


def read_key(settings: Settings) -> bytes:
    """The key of this installation, from the private file ``dashboard.key``, which is created when missing.

    Where the folder is read-only, the key lasts until the next start.
    """
    path = data_folder(settings) / KEY_FILE
    new = secrets.token_bytes(_KEY_BYTES)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            contextlib.suppress(FileExistsError),
            os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream,
        ):
            stream.write(new)
    with contextlib.suppress(OSError):
        # A copy or a restored backup may have lost the mode.
        with contextlib.suppress(OSError):
            path.chmod(0o600)
        key = path.read_bytes()[:_KEY_BYTES]
        if len(key) == _KEY_BYTES:
            return key
    return new
