"""Read a file as lines of UTF-8 in flat memory: decompressed, and converted from UTF-16.

Damage raises no error: everything readable is yielded, and :attr:`Lines.damage` then says what is wrong.
"""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from ticktrail.sources import LARGEST_EXECUTION

_CHUNK = 1 << 20

LONGEST_LINE = 2 * LARGEST_EXECUTION
"""Maximum bytes of a line, or of a document of several lines, decompressed: it is decoded as a whole."""

_GZIP_MAGIC = b"\x1f\x8b"
_UTF16 = (
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"{\0", "utf-16-le"),
    (b"[\0", "utf-16-le"),
    (b"\0{", "utf-16-be"),
    (b"\0[", "utf-16-be"),
)


class _DamageError(Exception):
    """The bytes end or are damaged here; the message is a clause."""


class Lines:
    """The lines of a file, without line ends. A line of more than ``longest`` bytes is yielded as an empty one.

    Attributes:
        damage: None, or why the file ends early. It is set before the last, incomplete line is yielded.
        too_long: the numbers of lines that were left out because of their length, counted from 1.
        size: bytes read so far, before decompression.
        longest: maximum bytes of a line, decompressed.
    """

    def __init__(self, file: BinaryIO, longest: int = LONGEST_LINE) -> None:
        self.damage: str | None = None
        self.too_long: list[int] = []
        self.size = 0
        self._file = file
        self.longest = longest

    def __iter__(self) -> Iterator[bytes]:
        parts: list[bytes] = []
        length, number = 0, 1
        try:
            for chunk in _as_utf8(_unpacked(self._chunks())):
                first, *rest = chunk.split(b"\n")
                length += len(first)
                if length <= self.longest:
                    parts.append(first)
                elif not self.too_long or self.too_long[-1] != number:
                    self.too_long.append(number)
                    parts = []
                if rest:
                    yield b"".join(parts)
                    yield from rest[:-1]
                    parts, length, number = [rest[-1]], len(rest[-1]), number + len(rest)
        except _DamageError as damage:
            self.damage = str(damage)
        yield b"".join(parts)

    def _chunks(self) -> Iterator[bytes]:
        while True:
            try:
                chunk = self._file.read(_CHUNK)
            except OSError as error:
                raise _DamageError(error.strerror or "it cannot be read") from error
            if not chunk:
                return
            self.size += len(chunk)
            yield chunk


def _unpacked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress gzip, several members in a row too; pass on everything else."""
    first = b""
    for chunk in chunks:
        first += chunk
        if len(first) >= len(_GZIP_MAGIC):
            break
    if not first.startswith(_GZIP_MAGIC):
        yield first
        yield from chunks
        return
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    chunk = first
    try:
        while chunk:
            if unpacker.eof:
                unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
            earlier = unpacker.copy()
            try:
                yield unpacker.decompress(chunk, _CHUNK)
            except zlib.error:
                # The output of the failing call is lost. Byte by byte, only what follows the damage is.
                for byte in chunk:
                    yield earlier.decompress(bytes((byte,)))
                raise
            # Zeros after the end are padding of a tape or a disk.
            chunk = unpacker.unconsumed_tail or unpacker.unused_data.lstrip(b"\0") or next(chunks, b"")
        yield unpacker.flush()
    except zlib.error:
        raise _DamageError(
            "its compression is damaged; everything before the damage was read, and the end of that may be wrong"
        ) from None
    if not unpacker.eof:
        raise _DamageError("it is truncated; everything before the end was read")


def _as_utf8(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Transcode UTF-16, detected by its mark or the zero beside the first bracket; drop the mark of UTF-8."""
    first = b""
    for chunk in chunks:
        first += chunk
        if len(first) >= 3:
            break
    encoding = next((name for begin, name in _UTF16 if first.startswith(begin)), None)
    if encoding is None:
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(encoding)(errors="surrogatepass")
    try:
        yield decoder.decode(first).encode("utf-8", "surrogatepass")
        for chunk in chunks:
            yield decoder.decode(chunk).encode("utf-8", "surrogatepass")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise _DamageError(f"it is not {encoding} throughout; everything before that was read") from None
