"""Logs of the services: a line with date and level on stderr, or a JSON object a line for machines.

Phone numbers, message ids and the secrets of the settings are masked in every line, tracebacks included.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ticktrail.cli.options import LogFormat, send_messages_to
from ticktrail.settings.secret import Secret
from ticktrail.settings.settings import Settings
from ticktrail.text.masking import mask_text
from ticktrail.text.sanitizing import one_line

LOGGER = logging.getLogger("ticktrail")

_LONGEST = 20_000
_SHORTEST_SECRET = 6


def configure(form: LogFormat) -> None:
    """Write all logs and messages of this process to stderr in this format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogFormatter(form))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries report requests and retries at lower levels.
    root.setLevel(logging.WARNING)
    LOGGER.setLevel(logging.INFO)
    send_messages_to(lambda text, level: LOGGER.log(getattr(logging, level.upper()), "%s", text))


def hide_secrets(settings: Settings) -> None:
    """Mask the secrets of these settings from now on."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, LogFormatter):
            handler.formatter.secrets.update(_secrets(settings))


class LogFormatter(logging.Formatter):
    """One line for each record; a traceback follows it as text, or is a field of the JSON object.

    Attributes:
        secrets: texts that are masked wherever they occur.
    """

    def __init__(self, form: LogFormat) -> None:
        super().__init__()
        self.secrets: set[str] = set()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        message = one_line(self._masked(record.getMessage()), _LONGEST)
        trace = self._masked(self.formatException(record.exc_info)) if record.exc_info else ""
        time = datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="seconds")
        if self._form is LogFormat.json:
            entry = {"time": time, "level": record.levelname.lower(), "logger": record.name, "message": message}
            return msgspec.json.encode({**entry, "traceback": trace} if trace else entry).decode()
        lines = (one_line(line, _LONGEST) for line in trace.splitlines())
        return "\n".join([f"{time} {record.levelname:<7} {message}", *lines])

    def _masked(self, text: str) -> str:
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "…")
        return mask_text(text)


def _secrets(value: Any) -> Iterator[str]:
    """Every secret in a struct, and the password of every secret that is a URL."""
    if isinstance(value, Secret):
        text = value.reveal()
        if text == str(value):
            return
        yield from (part for part in (text, _password(text)) if len(part) >= _SHORTEST_SECRET)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from _secrets(one)


def _password(text: str) -> str:
    try:
        return urlsplit(text).password or ""
    except ValueError:
        return ""
