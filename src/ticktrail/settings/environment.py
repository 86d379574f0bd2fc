"""Find the text of a setting: in the arguments, then the environment, then ``.env``; with its origin.

A secret may also be in a file that ``NAME_FILE`` names. ``.env`` never overrides the environment. It is only read.
"""

from __future__ import annotations

import difflib
import errno
import io
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from ticktrail.errors import ConfigurationError

_COMMAND_LINE = "the command line"
_OWN_PREFIX = "TICKTRAIL_"
_PREFIXES = ("N8N_", "MONGODB_", "WORKFLOW_", "WHATSAPP_", _OWN_PREFIX)
_MOST_BYTES = 1_000_000

_OTHERS = frozenset(
    {"N8N_EDITOR_BASE_URL", "N8N_BASIC_AUTH_USER", "N8N_BASIC_AUTH_PASSWORD", "N8N_PUBLIC_API_ENDPOINT"}
)
"""n8n's own variables that look like a mistyped setting: n8n's container often shares the ``.env``."""


class SettingText(msgspec.Struct, frozen=True):
    """The text of a setting, and where it was found: ``origin`` completes "It came from …"."""

    name: str
    text: str
    origin: str

    def __repr__(self) -> str:
        return f"SettingText({self.name!r}, origin={self.origin!r})"


class Lookup:
    """The three places of settings, searched in order. A blank text means not set, in all of them.

    Attributes:
        warnings: problems of ``.env``, one sentence each, without values.
    """

    def __init__(
        self,
        arguments: Mapping[str, str | None],
        environ: Mapping[str, str],
        directory: Path,
        options: Mapping[str, str],
        *,
        dotenv: bool = True,
    ) -> None:
        """Read ``.env`` in ``directory``, unless ``dotenv`` is False.

        Args:
            options: the command line's name of each argument, for messages.
        """
        self.warnings: list[str] = []
        self.directory = directory
        self._options = options
        self._places: tuple[tuple[str, Mapping[str, str | None]], ...] = (
            (_COMMAND_LINE, arguments),
            ("the environment", environ),
            (str(directory / ".env"), self._read_dotenv(directory / ".env") if dotenv else {}),
        )

    def find(self, name: str, *, secret: bool = False) -> SettingText | None:
        """Return the setting from the first place that has it; a secret may be in the file that ``NAME_FILE`` names.

        Raises:
            ConfigurationError: that file cannot be read, or is empty.
        """
        for origin, place in self._places:
            text = place.get(name)
            file_name = place.get(f"{name}_FILE") if secret else None
            if text and text.strip():
                if file_name and file_name.strip():
                    self.warnings.append(f"{name} and {name}_FILE are both set in {origin}. The file is not read.")
                return SettingText(self._options[name] if origin == _COMMAND_LINE else name, text, origin)
            if file_name and file_name.strip():
                return SettingText(
                    name, self._read_secret(f"{name}_FILE", file_name.strip(), origin), f"the file in {name}_FILE"
                )
        return None

    def warn_about_typos(self, known: Collection[str]) -> None:
        """Add a warning for each name in ``.env`` or the environment that looks like a mistyped setting.

        The environment also holds settings of other programs, so there only names with our own prefix count.
        """
        places = ((".env", self._places[-1][1], _PREFIXES), ("the environment", self._places[1][1], _OWN_PREFIX))
        for place, names, prefixes in places:
            for name in names:
                if name in known or name in _OTHERS or not name.upper().startswith(prefixes):
                    continue
                close = difflib.get_close_matches(name.upper(), sorted(known), n=1, cutoff=0.84)
                if close:
                    self.warnings.append(f"{name} in {place} is not a setting. Did you mean {close[0]}?")

    def _read_dotenv(self, path: Path) -> dict[str, str | None]:
        if not path.exists() or path.is_dir():
            if path.with_name(".env.txt").exists():
                self.warnings.append(f"{path.with_name('.env.txt')} is not read. Rename it to .env.")
            return {}
        from dotenv.parser import parse_stream  # noqa: PLC0415 - most runs in a container have no .env

        try:
            text = read_text(path)
        except OSError as error:
            raise ConfigurationError(
                f"{path} cannot be read: {error.strerror}.", remedy="Give this user access to the file, or remove it."
            ) from error
        values: dict[str, str | None] = {}
        for binding in parse_stream(io.StringIO(text)):
            if binding.error:
                self.warnings.append(f"Line {binding.original.line} of .env is not NAME=value and is ignored.")
            elif binding.key is not None:
                values[binding.key] = binding.value
        return values

    def _read_secret(self, name: str, file_name: str, origin: str) -> str:
        path = self.directory / Path(file_name).expanduser()
        try:
            text = read_text(path).rstrip("\r\n")
        except OSError as error:
            raise ConfigurationError(
                f"{name} names the file {path}, which cannot be read: {error.strerror}. It came from {origin}.",
                remedy=f"Put the secret into that file, or set {name.removesuffix('_FILE')} instead.",
            ) from error
        if not text.strip():
            raise ConfigurationError(
                f"{name} names the file {path}, which is empty. It came from {origin}.",
                remedy="Put the secret into that file.",
            )
        return text


def read_text(path: Path) -> str:
    """Return the text of a small file in any encoding that Windows writes: UTF-8, UTF-16 or its old code page.

    Raises:
        OSError: the file cannot be read, or is too large to be a file of settings.
    """
    with path.open("rb") as stream:
        raw = stream.read(_MOST_BYTES + 1)
    if len(raw) > _MOST_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    try:
        return raw.decode(json.detect_encoding(raw)).removeprefix("\ufeff")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")
