"""What a list shows as a file: CSV for programs, XLSX for people."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response
from starlette.background import BackgroundTask

from ticktrail import exports
from ticktrail.dashboard import masked as masked_ones
from ticktrail.dashboard.access import Role
from ticktrail.dashboard.choice import filter_of, read_choice
from ticktrail.dashboard.problems import of_error
from ticktrail.dashboard.site import Site, refuse_search
from ticktrail.document import to_document
from ticktrail.errors import TicktrailError

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
            return of_error(error, Role.VIEWER if visitor.masked else Role.FULL)

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
    choice = read_choice(params, site.addresses)
    refuse_search(choice, masked=masked)
    chosen = filter_of(choice, site.settings, site.catalogue, site.now())
    folder = tempfile.TemporaryDirectory(prefix="ticktrail-")
    try:
        path = Path(folder.name) / f"messages.{form}"
        with site.ledger.open_store() as store:
            documents: Any = (to_document(message, site.settings.timezone) for message in store.messages(chosen))
            if masked:
                documents = map(masked_ones.message, documents)
            exports.write_file(documents, path, form)
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(
        path, media_type=_TYPES[form], filename=path.name, background=BackgroundTask(folder.cleanup),
        headers={"Cache-Control": "no-store"},
    )  # fmt: skip
