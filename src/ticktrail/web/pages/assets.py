"""Style sheet, script and icons, at addresses that change with their content."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from importlib import resources

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ticktrail.web.security.headers import ASSETS

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_KEPT = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}


class Asset(msgspec.Struct, frozen=True):
    """One file, plain and compressed."""

    address: str
    media_type: str
    plain: bytes
    compressed: bytes


class Assets:
    """The packaged static files."""

    def __init__(self) -> None:
        folder = resources.files("ticktrail.web.pages") / "static"
        read = (_read(one.name, one.read_bytes()) for one in folder.iterdir() if "." in one.name)
        self._by_name = dict(read)
        self._by_address = {asset.address: asset for asset in self._by_name.values()}

    def address(self, name: str) -> str:
        """The address of a file: ``/assets/style.0f3a….css``."""
        return self._by_name[name].address

    async def serve(self, request: Request) -> Response:
        """Answer a request for one of the addresses."""
        asset = self._by_address.get(request.url.path)
        if asset is None:
            return Response(status_code=404)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers = {**_KEPT, "Content-Encoding": "gzip"}
            return Response(asset.compressed, media_type=asset.media_type, headers=headers)
        return Response(asset.plain, media_type=asset.media_type, headers=_KEPT)


@cache
def packaged_assets() -> Assets:
    """The static files, read once: their addresses must stay those that are served."""
    return Assets()


def _read(name: str, content: bytes) -> tuple[str, Asset]:
    stem, _, ending = name.rpartition(".")
    digest = hashlib.sha256(content).hexdigest()[:12]
    address = f"{ASSETS}/{stem}.{digest}.{ending}"
    return name, Asset(address, _TYPES[ending], content, gzip.compress(content, 9, mtime=0))
