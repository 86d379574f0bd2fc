"""An n8n in this process: real sockets, the public API's behaviour by release, and faults on request.

It answers as n8n's source and running releases do: newest first, keyset cursors, rows that are hidden, dropped,
withheld or poisonous, and what each release refuses. Everything may be changed while it runs.

    with N8nServer(executions) as n8n:
        n8n.hidden.add(17)
        n8n.answer(503, times=2, when=N8nRequest.is_list_with_data)
        api = N8nApi(n8n.settings(), n8n.workflow_id)
"""

from __future__ import annotations

import base64
import bisect
import itertools
import json
import operator
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from tests.support.faulty_server import Answer, FaultyServer, Request
from tests.support.patience import PATIENCE_SECONDS

from ticktrail.settings.settings import N8nSettings, Secret
from ticktrail.sources.n8n_api.http import RetryPolicy

QUICK = RetryPolicy(
    attempts=4,
    total=PATIENCE_SECONDS,
    wait_initial=0.001,
    wait_max=0.005,
    wait_jitter=0,
    retry_after_max=0.05,
    starting=0.2,
)
"""As patient as in earnest, in milliseconds."""

EDITOR = b"<!DOCTYPE html><html><head><title>n8n.io - Workflow Automation</title></head><body></body></html>"
_ROW_FIELDS = (
    "id",
    "finished",
    "mode",
    "retryOf",
    "retrySuccessId",
    "startedAt",
    "stoppedAt",
    "workflowId",
    "waitTill",
)
_LIST_PARAMETERS = {"includeData": (1, 0), "status": (1, 0), "workflowId": (1, 0), "limit": (1, 0), "cursor": (1, 0)}
_DATA_PARAMETERS = {"includeData": (1, 0), "redactExecutionData": (2, 16), "ignoreDataSizeLimit": (2, 28)}


class N8nRequest(Request):
    """One request to n8n's API."""

    def is_list(self) -> bool:
        """A page of executions, with data or without."""
        return self.path.endswith("/executions")

    def is_list_with_data(self) -> bool:
        """A page of executions with data."""
        return self.is_list() and self.query.get("includeData") == "true"

    def is_list_without_data(self) -> bool:
        """A page of metadata."""
        return self.is_list() and self.query.get("includeData") != "true"

    def is_single(self) -> bool:
        """One execution."""
        return "/executions/" in self.path

    @property
    def limit(self) -> int:
        """How many rows a list may have: the cursor's limit goes before the query's."""
        return int(_cursor(self.query.get("cursor")).get("limit") or self.query.get("limit") or 100)

    @property
    def below(self) -> int | None:
        """The id that a list begins below, by its cursor."""
        last = _cursor(self.query.get("cursor")).get("lastId")
        return None if last is None else int(last)


@dataclass
class _Stored:
    """An execution as n8n has it: its text, and the row a list shows of it."""

    text: bytes
    row: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        # Texts with what json refuses (lone surrogates are fine, broken UTF-8 is not) still have a readable row.
        self.row = json.loads(self.text.decode("utf-8", "replace"))


class N8nServer(FaultyServer):
    """See the module. ``executions`` are texts or objects of single executions, in any order.

    Attributes:
        hidden: ids that no list shows (they run); a single GET does.
        data_missing: ids whose data row is gone.
        corrupt: ids whose data cannot be parsed; up to 2.24 one of them spoils its page.
        withheld: ids too large to display (2.28 on) unless that limit is waived.
        workflows: as ``GET /workflows/{id}`` shows them; executions of others are listed all the same.
        scopes: what the key may do; None for everything.
    """

    def __init__(
        self,
        executions: Iterable[bytes | dict[str, Any]] = (),
        *,
        version: str = "2.41.1",
        workflow_id: str = "bcHn4wXXcVuTsjYB",
        workflows: Iterable[dict[str, Any]] | None = None,
        api_key: str = "n8n-test-key",
        basic: tuple[str, str] | None = None,
        path_prefix: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(path_prefix=path_prefix, tls=tls)
        self.requests: list[N8nRequest] = []
        self.version = tuple(int(part) for part in version.split("."))[:2]
        self.workflow_id = workflow_id
        self.api_key = api_key
        self.basic = basic
        self.scopes: set[str] | None = None
        self.hidden: set[int] = set()
        self.data_missing: set[int] = set()
        self.corrupt: set[int] = set()
        self.withheld: set[int] = set()
        self.workflows = (
            list(workflows) if workflows is not None else [{"id": workflow_id, "name": "WhatsApp statuses"}]
        )
        self._executions: dict[int, _Stored] = {}
        self._order: list[int] | None = None
        self.add(*executions)

    def seen(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> N8nRequest:
        """The record of a request."""
        return N8nRequest(path, query, headers)

    def settings(self, **changes: Any) -> N8nSettings:
        """Settings that reach it."""
        usual = N8nSettings(base_url=self.address, editor_url=self.address, api_key=Secret(self.api_key))
        return msgspec.structs.replace(usual, **changes)

    def add(self, *executions: bytes | dict[str, Any]) -> None:
        """Let it have more executions, or newer versions of those it has."""
        for execution in executions:
            text = execution if isinstance(execution, bytes) else json.dumps(execution, separators=(",", ":")).encode()
            stored = _Stored(text)
            self._executions[int(stored.row["id"])] = stored
        self._order = None

    def started_at(self, execution_id: int) -> str | None:
        """When an execution that it has started, as it writes it."""
        stored = self._executions.get(execution_id)
        return None if stored is None else stored.row.get("startedAt")

    def remove(self, *ids: int) -> None:
        """Prune executions."""
        for execution_id in ids:
            self._executions.pop(execution_id, None)
        self._order = None

    def respond(self, request: N8nRequest) -> Answer:
        """Return n8n's answer: status, body, headers."""
        if self.basic is not None and request.headers.get("authorization") != _basic(*self.basic):
            return 401, b"<h1>401 Authorization Required</h1>", {"WWW-Authenticate": 'Basic realm="n8n"'}
        place = request.path.removeprefix(f"{self.path_prefix}/api/v1")
        if place == request.path:
            return 200, EDITOR, {"Content-Type": "text/html"}
        if "x-n8n-api-key" not in request.headers and self.version < (2, 39):
            return _json(401, "'X-N8N-API-KEY' header required")
        if request.headers.get("x-n8n-api-key") != self.api_key:
            return _json(401, "Unauthorized" if self.version >= (2, 39) else "unauthorized")
        kind, _, identifier = place.strip("/").partition("/")
        known = {"executions": ("execution:list", "execution:read"), "workflows": ("workflow:list", "workflow:read")}
        if kind not in known:
            return _json(404, "not found")
        if self.scopes is not None and known[kind][bool(identifier)] not in self.scopes:
            return _json(403, "Forbidden")
        if kind == "workflows":
            return self._workflow(identifier) if identifier else self._workflow_list(request)
        return self._single(request, identifier) if identifier else self._list(request)

    def _list(self, request: N8nRequest) -> Answer:
        refusal = self._refused_parameter(request, _LIST_PARAMETERS | _DATA_PARAMETERS)
        if refusal is not None:
            return refusal
        if "cursor" in request.query and not _cursor(request.query["cursor"]):
            return _json(400, "An invalid cursor was provided")
        status = request.query.get("status")
        if self.version < {"running": (1, 113), "new": (2, 13)}.get(status or "", (1, 0)):
            return _json(400, "request/query/status must be equal to one of the allowed values")
        if status == "new" and self.version < (2, 30):
            status = None
        limit = request.limit
        if limit > 250:
            if self.version < (2, 39):
                return _json(400, "request/query/limit must be <= 250")
            limit = 250
        with_data = request.query.get("includeData") == "true"
        page = list(itertools.islice(self._visible(request.query.get("workflowId"), request.below, status), limit))
        if with_data and self.version < (2, 25) and self.corrupt & set(page):
            return _json(400, "Expected property name or '}' in JSON at position 1")
        if with_data:
            page = [number for number in page if number not in self.data_missing | self.corrupt]
        last = page[-1] if page else 0
        older = next(self._visible(request.query.get("workflowId"), last, status), None) is not None
        cursor = (
            base64.b64encode(json.dumps({"lastId": str(last), "limit": limit}).encode()).decode() if older else None
        )
        texts = [self._text(number, request) if with_data else self._row(number) for number in page]
        body = b'{"data":[' + b",".join(texts) + b'],"nextCursor":' + json.dumps(cursor).encode() + b"}"
        return 200, body, {}

    def _single(self, request: N8nRequest, identifier: str) -> Answer:
        refusal = self._refused_parameter(request, _DATA_PARAMETERS)
        if refusal is not None:
            return refusal
        if not identifier.isdigit():
            return _json(400, "request/params/id must be number")
        number = int(identifier)
        if number not in self._executions:
            return _json(404, "Not Found")
        if request.query.get("includeData") != "true":
            return 200, self._row(number, always_status=True), {}
        old = self.version < (2, 25)
        if number in self.data_missing:
            return _json(400, "Cannot read properties of null (reading 'data')") if old else _json(404, "Not Found")
        if number in self.corrupt:
            said = "Expected property name or '}' in JSON at position 1"
            return _json(400, said) if old else _json(500, "Internal server error")
        return 200, self._text(number, request, always_status=True), {}

    def _workflow(self, identifier: str) -> Answer:
        found = next((workflow for workflow in self.workflows if str(workflow["id"]) == identifier), None)
        return (200, found, {}) if found else _json(404, "Not Found")

    def _workflow_list(self, request: N8nRequest) -> Answer:
        limit = int(request.query.get("limit") or 100)
        offset = int(_cursor(request.query.get("cursor")).get("offset") or 0)
        page = self.workflows[offset : offset + limit]
        more = offset + limit < len(self.workflows)
        cursor = base64.b64encode(json.dumps({"limit": limit, "offset": offset + limit}).encode()).decode()
        return 200, {"data": page, "nextCursor": cursor if more else None}, {}

    def _refused_parameter(self, request: N8nRequest, since: Mapping[str, tuple[int, int]]) -> Answer | None:
        """Up to 2.38 n8n refuses a parameter it does not know; later it says nothing."""
        for name in request.query:
            if self.version < (2, 39) and (name not in since or self.version < since[name]):
                return _json(400, f"Unknown query parameter '{name}'")
        return None

    def _visible(self, workflow_id: str | None, below: int | None, status: str | None) -> Iterator[int]:
        if self._order is None:
            self._order = sorted(self._executions, reverse=True)
        order = self._order
        start = 0 if below is None else bisect.bisect_right(order, -below, key=operator.neg)
        for place in range(start, len(order)):
            number = order[place]
            stored = self._executions.get(number)
            if stored is None or (number in self.hidden and status != "running"):
                continue
            if status not in {None, stored.row.get("status")}:
                continue
            if workflow_id in {None, stored.row.get("workflowId")}:
                yield number

    def _row(self, number: int, *, always_status: bool = False) -> bytes:
        row = self._executions[number].row
        shown = {name: row.get(name) for name in _ROW_FIELDS}
        if always_status or self.version >= (1, 111):
            shown["status"] = row.get("status")
        return json.dumps(shown, separators=(",", ":")).encode()

    def _text(self, number: int, request: N8nRequest, *, always_status: bool = False) -> bytes:
        stored = self._executions[number]
        if number in self.withheld and self.version >= (2, 28) and request.query.get("ignoreDataSizeLimit") != "true":
            cut = {"data": {"version": 1, "resultData": {"runData": {}}}, "dataTooLargeToDisplay": True}
            return json.dumps(stored.row | cut, separators=(",", ":")).encode()
        if always_status or self.version >= (1, 111):
            return stored.text
        shown = {name: value for name, value in stored.row.items() if name != "status"}
        return json.dumps(shown, separators=(",", ":")).encode()


def _json(status: int, message: str) -> Answer:
    return status, {"message": message}, {}


def _cursor(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(base64.b64decode(text or "", validate=True))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
