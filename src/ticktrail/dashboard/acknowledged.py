"""What somebody sees to already, with a note: a small file of the dashboard's own, for its owner only."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import msgspec

LONGEST_NOTE = 300
_KEPT = 500


class _Entry(msgspec.Struct):
    note: str
    at: datetime


class AcknowledgedFile:
    """Notes by cause in a JSON file, whole or not at all. A file that is damaged counts as empty."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[str, _Entry] | None = None

    def notes(self) -> Mapping[str, str]:
        """The notes of what is acknowledged, by key."""
        with self._lock:
            return {key: entry.note for key, entry in self._read().items()}

    def acknowledge(self, key: str, note: str, at: datetime) -> None:
        """Note that somebody sees to it."""
        with self._lock:
            known = self._read()
            known.pop(key, None)
            known[key] = _Entry(note[:LONGEST_NOTE], at)
            while len(known) > _KEPT:
                known.pop(next(iter(known)))
            self._write(known)

    def take_back(self, key: str) -> None:
        """Note that nobody does any more."""
        with self._lock:
            known = self._read()
            if known.pop(key, None) is not None:
                self._write(known)

    def _read(self) -> dict[str, _Entry]:
        if self._known is None:
            self._known = {}
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                self._known = msgspec.json.decode(self._path.read_bytes(), type=dict[str, _Entry])
        return self._known

    def _write(self, known: dict[str, _Entry]) -> None:
        # Where nothing can be written the notes last as long as this process.
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=".dashboard.", suffix=".part")
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(msgspec.json.encode(known))
                Path(name).replace(self._path)
            finally:
                Path(name).unlink(missing_ok=True)
