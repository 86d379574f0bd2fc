"""Lists and figures as files, at the address of their page with ``.csv``, ``.xlsx`` or ``.json``."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response
from starlette.background import BackgroundTask

from ticktrail.errors import TicktrailError
from ticktrail.messages.counts import Counts, Group
from ticktrail.messages.document import send_to_document, to_document
from ticktrail.messages.filters import Grouping
from ticktrail.output import files as exports
from ticktrail.output.documents import to_json
from ticktrail.output.files import MESSAGES, Table
from ticktrail.output.sends import SEND_COLUMNS, flat_send
from ticktrail.queries.statistics import compute_statistics, group_document, statistics_document
from ticktrail.stores import Store
from ticktrail.stores.opening import open_configured_store
from ticktrail.web import masking as masked_ones
from ticktrail.web.pages.context import Site, refuse_guessing, refuse_search
from ticktrail.web.pages.grouping_names import grouping_of
from ticktrail.web.pages.periods import chosen
from ticktrail.web.pages.translation import speaking
from ticktrail.web.pages.url_filters import SendUrlFilter, UrlFilter, parse_filter, parse_send_filter, read_conditions
from ticktrail.web.problem_details import of_error
from ticktrail.web.roles import Role
from ticktrail.web.store_pool import BusyError

Documents = Iterable[dict[str, Any]]
Write = Callable[[Store, bool], Documents]
"""Reads the documents of a file from a store, masked or not."""

SENDS = Table(name="sends", columns=SEND_COLUMNS, row=flat_send)

MOST_AT_ONCE = 4
"""Files that are made at the same time; a further request is answered with 503."""

_RATES = frozenset({"deliveryRate", "readRateAtLeast", "failureRate"})
_TYPES = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def add_downloads(app: FastAPI, site: Site) -> None:
    """Put the files at ``/NAME.csv``, ``.xlsx`` and ``.json``, with the conditions of the list in the query."""
    turns = threading.BoundedSemaphore(MOST_AT_ONCE)
    tables = {"messages": _messages, "sends": _sends, "days": _days, "compare": _groups}
    for name, table_of in tables.items():
        for form in _TYPES:
            app.get(f"/{name}.{form}", include_in_schema=False, response_model=None)(
                _answer(site, name, form, table_of, turns)
            )


def given_in(request: Request) -> dict[str, list[str]]:
    """An address's query, all values of each name."""
    given: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        given.setdefault(name, []).append(value)
    return given


def _answer(
    site: Site,
    name: str,
    form: str,
    table_of: Callable[[Site, Request], tuple[Table, Write]],
    turns: threading.BoundedSemaphore,
) -> Callable[[Request], Response]:
    # Not async: FastAPI runs these in threads, so that a large file blocks no other request.
    def answer(request: Request) -> Response:
        visitor = site.visitor(request)
        masked = visitor.masked
        role = Role.VIEWER if masked else Role.FULL
        if not turns.acquire(blocking=False):
            return of_error(BusyError(), role)
        try:
            with speaking(visitor.language):
                table, documents = table_of(site, request)
                return _file(site, f"{name}.{form}", table, documents, masked=masked)
        except TicktrailError as error:
            return of_error(error, role)
        finally:
            turns.release()

    return answer


def _messages(site: Site, request: Request) -> tuple[Table, Write]:
    choice = read_conditions(UrlFilter, given_in(request), site.addresses)
    if choice.to:
        refuse_search(site.visitor(request))
    refuse_guessing(site.visitor(request), choice)
    chosen = parse_filter(choice, site.settings, site.now())

    def documents(store: Store, masked: bool) -> Documents:  # noqa: FBT001 - see Write
        found = (to_document(message, site.settings.timezone) for message in store.messages(chosen))
        return map(masked_ones.message, found) if masked else found

    return MESSAGES, documents


def _sends(site: Site, request: Request) -> tuple[Table, Write]:
    choice = read_conditions(SendUrlFilter, given_in(request), site.addresses)
    refuse_guessing(site.visitor(request), choice)
    chosen = parse_send_filter(choice, site.settings, site.now())

    def documents(store: Store, masked: bool) -> Documents:  # noqa: FBT001 - see Write
        found = (send_to_document(send, site.settings.timezone) for send in store.sends(chosen))
        return map(masked_ones.send, found) if masked else found

    return SENDS, documents


def _days(site: Site, request: Request) -> tuple[Table, Write]:
    return _figures(site, request, Grouping.DAY, "days")


def _groups(site: Site, request: Request) -> tuple[Table, Write]:
    return _figures(site, request, grouping_of(request.query_params.get("by", "template")), "compare")


def _figures(site: Site, request: Request, by: Grouping, name: str) -> tuple[Table, Write]:
    """Every group of a period, as ``ticktrail stats`` counts and names it."""
    now = site.now()
    _name, period = chosen(site, request)
    wanted = period.chosen
    columns = tuple(group_document(Group(key=None, counts=Counts()), by, frozenset()))

    def documents(store: Store, masked: bool) -> Documents:  # noqa: FBT001 - see Write
        report = compute_statistics(store, site.settings, wanted, by, user_file=site.user_file, now=now)
        found: Documents = statistics_document(report)["groups"]
        return (masked_ones.group(one, by) for one in found) if masked else found

    return Table(name=name, columns=columns, row=dict, rates=_RATES, numbers=True), documents


def _write_json(documents: Documents, path: Path) -> None:
    with path.open("wb") as stream:
        stream.write(b"[")
        for place, document in enumerate(documents):
            stream.write((b",\n" if place else b"\n") + to_json(document).encode("utf-8", "replace"))
        stream.write(b"\n]\n")


def _file(site: Site, name: str, table: Table, documents: Write, *, masked: bool) -> Response:
    folder = tempfile.TemporaryDirectory(prefix="ticktrail-")
    form = name.rpartition(".")[2]
    try:
        path = Path(folder.name) / name
        with open_configured_store(site.settings) as store:
            if form == "json":
                _write_json(documents(store, masked), path)
            else:
                exports.write_file(documents(store, masked), path, form, table=table)
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(
        path, media_type=_TYPES[form], filename=name, background=BackgroundTask(folder.cleanup),
        headers={"Cache-Control": "no-store"},
    )  # fmt: skip
