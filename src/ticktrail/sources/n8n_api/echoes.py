"""Hide the secrets of a request in what a server echoes. Pure."""

from __future__ import annotations

import html
import itertools
import json
from base64 import b64encode
from urllib.parse import quote, quote_plus

from ticktrail.settings.settings import N8nSettings

_PART = 8
"""Characters of a secret in a row that are hidden. Proxies cut, fold and wrap what they echo."""


def without_secrets(message: str, settings: N8nSettings) -> str:
    """Return a message with every secret, and every longer part of one, replaced."""
    hidden = bytearray(len(message))
    lower = message.lower() if len(message.lower()) == len(message) else message
    for secret in map(str.lower, _secrets(settings)):
        size = min(_PART, len(secret))
        parts = {secret[start : start + size] for start in range(len(secret) - size + 1)}
        for start in range(len(lower) - size + 1):
            if lower[start : start + size] in parts:
                hidden[start : start + size] = b"\1" * size
    runs = itertools.groupby(zip(message, hidden, strict=True), key=lambda pair: pair[1])
    return "".join("…" if is_hidden else "".join(letter for letter, _ in run) for is_hidden, run in runs)


def _secrets(settings: N8nSettings) -> list[str]:
    """Return every secret of a request as it may be echoed: a proxy may answer with the request's headers."""
    secrets = [settings.api_key, settings.basic_pass, *(value for _, value in settings.headers)]
    texts = [secret.reveal() for secret in secrets if secret is not None]
    if settings.basic_user is not None and settings.basic_pass is not None:
        texts.append(b64encode(f"{settings.basic_user}:{settings.basic_pass.reveal()}".encode()).decode())
    written = {form for text in texts if text for form in _written_forms(text)}
    return sorted(written, key=len, reverse=True)


def _written_forms(text: str) -> set[str]:
    """Return a text as it is written in URLs, HTML, JSON and base64."""
    in_json = json.dumps(text)[1:-1]
    return {
        *(text, in_json, in_json.replace("/", r"\/"), html.escape(text), b64encode(text.encode()).decode()),
        *(quote(text), quote(text, safe=""), quote_plus(text)),
    }
