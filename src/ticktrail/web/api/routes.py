"""The JSON API under ``/api/v1``: same filters, names and documents as the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from starlette.responses import Response

from ticktrail import __version__
from ticktrail.alerts.documents import alerts_document
from ticktrail.alerts.service import OpenAlerts, find_alerts
from ticktrail.alerts.settings import read_alert_settings
from ticktrail.errors import NotFoundError
from ticktrail.messages.document import to_document
from ticktrail.messages.filters import Cursor, MessageFilter
from ticktrail.output.documents import to_json
from ticktrail.queries.completeness import read_completeness, workflow_document
from ticktrail.queries.condition import Condition
from ticktrail.queries.conversation import Texts
from ticktrail.queries.filter_conditions import MESSAGE_CONDITIONS, SEND_CONDITIONS
from ticktrail.queries.filter_parsing import parameter_name, parse_message_filter, parse_send_filter
from ticktrail.queries.statistics import compute_statistics, statistics_document
from ticktrail.settings.settings import Settings
from ticktrail.settings.user_file import dialling_region, read_user_file
from ticktrail.stores import Store
from ticktrail.stores.sync_state import Run
from ticktrail.text.phone_numbers import parse_person
from ticktrail.web import masking
from ticktrail.web.api.pages import MAX_BYTES, HiddenCursors, Page, conversation_page, message_page, send_page
from ticktrail.web.api.parameters import FiguresOf, Last, Listing, SendListing, Text, Thread
from ticktrail.web.api.schemas import answers
from ticktrail.web.problem_details import Problem
from ticktrail.web.roles import Access, Role, role_of
from ticktrail.web.store_pool import StorePool

PREFIX = "/api/v1"

_SENDS = "Messages that n8n passed to Meta's API, with Meta's answer, newest first."
_MASKED = "Phone numbers and message ids are masked for viewers."


class Api:
    """The handlers of the paths. Documents are read and encoded in worker threads."""

    def __init__(self, settings: Settings, access: Access, pool: StorePool, conversations: Texts | None = None) -> None:
        self._conversations = conversations
        self._settings = settings
        self._salt = access.salt
        self._pool = pool
        self._cursors = HiddenCursors()

    async def messages(self, query: Listing, role: Role | None) -> Response:
        """A page of messages."""
        chosen = self._chosen(query, role, after=self._cursor(query.after, role))
        page = await self._pool.ask(lambda store: self._page(store, chosen, query.limit, role))
        return _json(b'{"messages": [%b], "next": %b}' % (page.body, self._next(page, role)))

    async def message(self, message_id: str, role: Role | None) -> Response:
        """One message."""
        _only_full(role, "message_id")

        def read(store: Store) -> bytes:
            stored = store.get([message_id]).get(message_id)
            if stored is None:
                raise NotFoundError("No message has this id.", remedy="If it is new, sync and try again.")
            return _encoded(to_document(stored, self._settings.timezone))

        return _json(await self._pool.ask(read))

    async def sends(self, query: SendListing, role: Role | None) -> Response:
        """A page of sends."""
        given = {**query.given(), "after": self._cursor(query.after, role)}
        _refuse_revealing(SEND_CONDITIONS, given, role)
        chosen = parse_send_filter(given, self._settings, datetime.now(UTC), label=parameter_name)
        salt = None if role is Role.FULL else self._salt
        page = await self._pool.ask(lambda store: send_page(store, chosen, query.limit, salt=salt, max_bytes=MAX_BYTES))
        return _json(b'{"sends": [%b], "next": %b}' % (page.body, self._next(page, role)))

    async def conversation(self, wa_id: str, query: Thread, role: Role | None) -> Response:
        """A page of one person's conversation."""
        _only_full(role, "wa_id")
        cursor = self._cursor(query.after, role)
        chosen = MessageFilter(
            person=parse_person(wa_id, dialling_region(self._settings)),
            order=query.sort,
            after=Cursor.read(cursor) if cursor else None,
        )

        def read(store: Store) -> Page:
            # Last digits can match several people, and texts do not say whose they are.
            if self._conversations is None or chosen.person is None or chosen.person.suffix is not None:
                return self._page(store, chosen, query.limit, role)
            return conversation_page(
                store, chosen, query.limit, texts=self._conversations, order=query.sort, max_bytes=MAX_BYTES
            )

        page = await self._pool.ask(read)
        people = _encoded(sorted(page.people))
        turns = b"" if page.turns is None else b', "turns": %b' % page.turns
        ending = self._next(page, role)
        return _json(b'{"conversationIds": %b, "messages": [%b]%b, "next": %b}' % (people, page.body, turns, ending))

    async def stats(self, query: FiguresOf, role: Role | None) -> Response:
        """Statistics."""
        chosen = self._chosen(query, role)
        user_file = read_user_file(self._settings)

        def count(store: Store) -> bytes:
            found = compute_statistics(
                store, self._settings, chosen, query.by, user_file=user_file, now=datetime.now(UTC), limit=query.limit
            )
            document = statistics_document(found)
            return _encoded(document if role is Role.FULL else masking.stats(document, query.by))

        return _json(await self._pool.ask(count))

    async def alerts(self, role: Role | None) -> Response:
        """Open alerts."""
        n8n = self._settings.n8n

        def find(store: Store) -> bytes:
            own = read_alert_settings(self._settings, os.environ)
            if store.exists():
                found = find_alerts(self._settings, own, store, datetime.now(UTC))
            else:
                found = OpenAlerts(alerts=(), checked="No sync has run yet.", messages=0)
            document = alerts_document(
                found.alerts,
                store.alert_state.all(),
                store.location,
                self._settings.timezone,
                checked=found.checked,
            )
            if role is not Role.FULL:
                document = masking.alerts(document, self._salt, (store.location, n8n.base_url, n8n.editor_url))
            return _encoded(document)

        return _json(await self._pool.ask(find))

    async def runs(self, query: Last, role: Role | None) -> Response:
        """The latest syncs."""

        def read(store: Store) -> bytes:
            documents = (run_document(run, self._settings) for run in store.sync_state.runs(query.limit))
            if role is not Role.FULL:
                documents = (masking.run(document, self._salt) for document in documents)
            return _encoded({"runs": list(documents)})

        return _json(await self._pool.ask(read))

    async def health(self, role: Role | None) -> Response:
        """Completeness of the store."""
        document = await self._pool.ask(lambda store: health_document(store, self._settings, datetime.now(UTC)))
        if role is not Role.FULL:
            del document["store"]
        return _json(_encoded(document))

    def _chosen(self, query: Listing | FiguresOf, role: Role | None, **more: Any) -> MessageFilter:
        given = {**query.given(), **more}
        if query.wa_id is not None:
            _only_full(role, "wa_id")
        _refuse_revealing(MESSAGE_CONDITIONS, given, role)
        return parse_message_filter(given, self._settings, datetime.now(UTC), label=parameter_name)

    def _page(self, store: Store, chosen: MessageFilter, limit: int, role: Role | None) -> Page:
        salt = None if role is Role.FULL else self._salt
        return message_page(store, chosen, limit, salt=salt, max_bytes=MAX_BYTES)

    def _cursor(self, after: str | None, role: Role | None) -> str | None:
        """The cursor that a request names.

        A viewer's must be a name that we gave out. With cursors made by hand, a viewer could find a message id letter
        by letter.
        """
        if after is None or (role is Role.FULL and not after.startswith("p_")):
            return after
        return self._cursors.token(after)

    def _next(self, page: Page, role: Role | None) -> bytes:
        """The cursor of the next page; a name for it where it must be hidden, or is too long for a URL."""
        if page.cursor is None:
            return b"null"
        token = page.cursor.token
        return _encoded(token if role is Role.FULL and len(token) <= 2_000 else self._cursors.name(token))


def router(settings: Settings, access: Access, pool: StorePool, conversations: Texts | None = None) -> APIRouter:
    """The routes of the API.

    Args:
        conversations: where a workflow stores the texts of conversations; None without one.
    """
    api = Api(settings, access, pool, conversations)
    routes = APIRouter(
        prefix=PREFIX, default_response_class=Response, generate_unique_id_function=lambda route: route.name
    )
    _add_lists(routes, api)
    _add_state(routes, api)
    return routes


def _add_lists(routes: APIRouter, api: Api) -> None:
    """Add the paths of messages, conversations, sends and statistics."""

    @routes.get("/messages", summary="Messages", description=_MASKED, responses=answers("Messages"))
    async def messages(request: Request, query: Annotated[Listing, Query()]) -> Response:
        return await api.messages(query, role_of(request))

    @routes.get(
        "/messages/{message_id:path}",
        summary="One message",
        description="Not for viewers, because a message id encodes the recipient's number.",
        responses=answers("Message"),
    )
    async def message(
        request: Request,
        message_id: Annotated[str, InPath(min_length=1, max_length=1_024, description="The message id: wamid.…")],
    ) -> Response:
        return await api.message(message_id, role_of(request))

    @routes.get(
        "/conversations/{wa_id}",
        summary="One person's conversation",
        description="Messages to one person; with texts, where a workflow stores them. Not for viewers.",
        responses=answers("Conversation"),
    )
    async def conversation(
        request: Request,
        wa_id: Annotated[Text, InPath(description="A phone number in any spelling, or its last digits.")],
        query: Annotated[Thread, Query()],
    ) -> Response:
        return await api.conversation(wa_id, query, role_of(request))

    @routes.get("/sends", summary="Sends", description=f"{_SENDS} {_MASKED}", responses=answers("Sends"))
    async def sends(request: Request, query: Annotated[SendListing, Query()]) -> Response:
        return await api.sends(query, role_of(request))

    @routes.get("/stats", summary="Statistics", description=_MASKED, responses=answers("Stats"))
    async def stats(request: Request, query: Annotated[FiguresOf, Query()]) -> Response:
        return await api.stats(query, role_of(request))


def _add_state(routes: APIRouter, api: Api) -> None:
    """Add the paths of alerts, syncs and completeness."""

    @routes.get("/alerts", summary="Open alerts", description=_MASKED, responses=answers("Alerts"))
    async def alerts(request: Request) -> Response:
        _takes_nothing(request)
        return await api.alerts(role_of(request))

    @routes.get("/sync/runs", summary="Sync runs", description="Syncs, newest first.", responses=answers("Runs"))
    async def runs(request: Request, query: Annotated[Last, Query()]) -> Response:
        return await api.runs(query, role_of(request))

    @routes.get("/health", summary="Completeness", responses=answers("Health"))
    async def health(request: Request) -> Response:
        _takes_nothing(request)
        return await api.health(role_of(request))


def run_document(run: Run, settings: Settings) -> dict[str, Any]:
    """The document of one sync of one workflow."""
    n8n, workflow_id = [*run.scope.rsplit("|", 3), "", ""][:2]
    return {
        "runId": run.run_id,
        "n8n": n8n,
        "workflowId": workflow_id,
        "beganAt": run.began_at.astimezone(settings.timezone),
        "seconds": run.seconds,
        "error": run.error,
        "report": run.report,
    }


def health_document(store: Store, settings: Settings, now: datetime) -> dict[str, Any]:
    """The completeness document of the store."""
    found = read_completeness(store, settings)
    zone = settings.timezone
    return {
        "ready": not found.is_late(now),
        "goodAt": found.checked_at and found.checked_at.astimezone(zone),
        "readySeconds": int(found.late_after.total_seconds()),
        "version": __version__,
        "store": store.location,
        "timezone": str(zone),
        "workflows": [workflow_document(workflow, zone) for workflow in found.workflows],
    }


def _only_full(role: Role | None, name: str) -> None:
    if role is not Role.FULL:
        raise Problem(
            403,
            "Viewers cannot search for a person.",
            name=name,
            remedy="Use TICKTRAIL_DASHBOARD_TOKEN in place of the viewer's token.",
        )


def _refuse_revealing(conditions: tuple[Condition[Any], ...], given: Mapping[str, Any], role: Role | None) -> None:
    name = None if role is Role.FULL else masking.revealing_condition(conditions, given)
    if name is not None:
        raise Problem(
            403,
            f"{name}: viewers cannot filter by a value that contains a phone number or a message id.",
            name=name,
            remedy="Use TICKTRAIL_DASHBOARD_TOKEN in place of the viewer's token.",
        )


def _takes_nothing(request: Request) -> None:
    """Raise a problem for any parameter of a path that has none."""
    for name in request.query_params:
        detail = f"{name[:60]!r} is not a parameter of this path."
        raise Problem(400, detail, name=name[:60], remedy="Leave it out.")


def _encoded(value: Any) -> bytes:
    return to_json(value).encode("utf-8", "replace")


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
