"""What a list shows as a file: CSV for programs, XLSX for people."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.background import BackgroundTask

from ticktrail import exports
from ticktrail.dashboard.choice import filter_of, read_choice
from ticktrail.dashboard.site import Site
from ticktrail.document import to_document
from ticktrail.errors import ConfigurationError, NotFoundError, TicktrailError
from ticktrail.ledger import open_ledger
from ticktrail.masking import mask_document

_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def add_downloads(app: FastAPI, site: Site) -> None:
    """Put the files at ``/download/messages.csv`` and ``.xlsx``, with the conditions of the list in the query."""

    def file(request: Request, form: str) -> Response:
        visitor = site.visitor(request)
        try:
            return _file(request, site, form, masked=visitor.masked)
        except TicktrailError as error:
            known = {ConfigurationError: 400, NotFoundError: 404}
            return JSONResponse({"error": str(error), "remedy": error.remedy}, status_code=known.get(type(error), 503))

    # Not async: FastAPI runs these in threads, so that a large file holds up nobody.
    def as_csv(request: Request) -> Response:
        return file(request, "csv")

    def as_xlsx(request: Request) -> Response:
        return file(request, "xlsx")

    app.get("/download/messages.csv", include_in_schema=False, response_model=None)(as_csv)
    app.get("/download/messages.xlsx", include_in_schema=False, response_model=None)(as_xlsx)


def _file(request: Request, site: Site, form: str, *, masked: bool) -> Response:
    params: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        params.setdefault(name, []).append(value)
    chosen = filter_of(read_choice(params, site.addresses), site.settings, site.now())
    folder = tempfile.TemporaryDirectory(prefix="ticktrail-")
    try:
        path = Path(folder.name) / f"messages.{form}"
        with open_ledger(site.settings) as store:
            documents: Any = (to_document(message, site.settings.timezone) for message in store.messages(chosen))
            if masked:
                documents = map(mask_document, documents)
            exports.write_file(documents, path, form)
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(
        path, media_type=_TYPES[form], filename=path.name, background=BackgroundTask(folder.cleanup),
        headers={"Cache-Control": "no-store"},
    )  # fmt: skip
