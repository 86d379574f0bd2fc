"""Texts that stand in a page's address without being readable there: a person, a message, a place in a list.

An address is shared, logged and kept in histories, so no phone number may stand in it, nor a message id, which holds
one. A :class:`UrlTokens` turns a text into a short token and back. The same text always makes the same token, so that
an address stays good, and only who has the key can make or read one (a synthetic initialisation vector, as in RFC 5297,
built of HMAC-SHA256).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

import platformdirs

from ticktrail.settings.settings import Settings
from ticktrail.text.masking import mask_text

_MARK_BYTES = 12
"""96 bits: nobody guesses one."""

_KEY_BYTES = 32
_SEALED = "~"
"""Begins a value that is a token and not the text itself."""

_LONGEST_TOKEN = 4_096


class UrlTokens:
    """Makes tokens of texts and texts of tokens, with one key.

    What the ledger names (a person, a message, a place) and what somebody typed have seals of their own: the page makes
    an address of whatever is typed, and one who sees numbers masked must not get the address of a number in this way.
    """

    def __init__(self, key: bytes) -> None:
        self._named = _Seal(key)
        self._typed = _Seal(hmac.digest(key, b"typed", hashlib.sha256))

    def token(self, text: str) -> str:
        """The token of what the ledger names: letters, digits, ``-`` and ``_``."""
        return self._named.token(text)

    def text(self, token: str) -> str | None:
        """The text of a token; None for what no token of this key is."""
        return self._named.text(token)

    def value(self, text: str) -> str:
        """A typed text as it may stand in an address: itself, or sealed when a number or a message id may be in it."""
        harmless = mask_text(text) == text and not text.startswith(_SEALED) and len(text) <= 100
        return text if harmless else self.sealed(text)

    def sealed(self, text: str) -> str:
        """A typed text, sealed in any case."""
        return _SEALED + self._typed.token(text)

    def opened(self, value: str) -> str | None:
        """The text of what :meth:`value` made; None for a seal of another key."""
        return self._typed.text(value[len(_SEALED) :]) if value.startswith(_SEALED) else value


class _Seal:
    """Texts to tokens and back."""

    def __init__(self, key: bytes) -> None:
        self._mark_key = hmac.digest(key, b"mark", hashlib.sha256)
        self._stream_key = hmac.digest(key, b"stream", hashlib.sha256)

    def token(self, text: str) -> str:
        plain = text.encode("utf-8", "replace")
        mark = self._mark(plain)
        return base64.urlsafe_b64encode(mark + self._mixed(mark, plain)).rstrip(b"=").decode()

    def text(self, token: str) -> str | None:
        if len(token) > _LONGEST_TOKEN:
            return None
        try:
            raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (UnicodeError, binascii.Error, ValueError):
            return None
        mark, mixed = raw[:_MARK_BYTES], raw[_MARK_BYTES:]
        plain = self._mixed(mark, mixed)
        return plain.decode("utf-8", "replace") if hmac.compare_digest(mark, self._mark(plain)) else None

    def _mark(self, plain: bytes) -> bytes:
        return hmac.digest(self._mark_key, plain, hashlib.sha256)[:_MARK_BYTES]

    def _mixed(self, mark: bytes, text: bytes) -> bytes:
        """The text with a stream of bytes over it that its mark decides; done twice, it is the text again."""
        stream = b"".join(
            hmac.digest(self._stream_key, mark + block.to_bytes(4, "big"), hashlib.sha256)
            for block in range(-(-len(text) // hashlib.sha256().digest_size))
        )
        return bytes(one ^ other for one, other in zip(text, stream, strict=False))


def own_folder(settings: Settings) -> Path:
    """Where the dashboard keeps the little it has to: beside the SQLite file, else in the user's data folder."""
    url = settings.store_url.reveal()
    if "://" not in url or url.lower().startswith("sqlite:"):
        from ticktrail.stores.sqlite.connection import path_of  # noqa: PLC0415 - the driver loads when chosen

        path = path_of(url)
        if path is not None:
            return path.parent
    return platformdirs.user_data_path("ticktrail", appauthor=False)


def read_key(settings: Settings) -> bytes:
    """The key of this installation's addresses, made when there is none.

    Where the folder cannot be written to, addresses are good until the next start.
    """
    path = own_folder(settings) / "dashboard.key"
    with contextlib.suppress(OSError):
        known = path.read_bytes()
        if len(known) >= _KEY_BYTES:
            return known
    made = secrets.token_bytes(_KEY_BYTES)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            contextlib.suppress(FileExistsError),
            os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream,
        ):
            stream.write(made)
        known = path.read_bytes()
        if len(known) >= _KEY_BYTES:
            return known
    return made
