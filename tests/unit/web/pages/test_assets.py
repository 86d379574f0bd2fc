"""Static files: addresses by content, compression, caching."""

from __future__ import annotations

import asyncio
import gzip
import re

from starlette.requests import Request

from ticktrail.web.pages.assets import Assets


def _get(path: str, **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": path, "headers": raw, "query_string": b"", "server": ("x", 80)}
    return Request({**scope, "scheme": "http"})


def test_files_are_compressed_and_kept_for_a_year() -> None:
    """A file's address holds a digest of its content; it comes compressed where that is taken, and is immutable."""
    assets = Assets()
    address = assets.address("style.css")
    assert re.fullmatch(r"/assets/style\.[0-9a-f]{12}\.css", address)
    packed = asyncio.run(assets.serve(_get(address, accept_encoding="gzip, br")))
    plain = asyncio.run(assets.serve(_get(address)))
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert "immutable" in plain.headers["cache-control"]
    assert plain.headers["content-type"].startswith("text/css")


def test_other_addresses_are_not_found() -> None:
    """An address of an older version, or of anything else, is 404."""
    assets = Assets()
    for path in ("/assets/style.000000000000.css", "/assets/../routes.py", "/assets/"):
        assert asyncio.run(assets.serve(_get(path))).status_code == 404


def test_all_files_of_a_first_load_are_small() -> None:
    """Style, scripts and icon together take less than half of the budget of a first load."""
    assets = Assets()
    names = ("style.css", "app.js", "live.js", "mark.svg")
    sizes = [len(asyncio.run(assets.serve(_get(assets.address(name), accept_encoding="gzip"))).body) for name in names]
    assert sum(sizes) < 20_000
