"""The n8n source's questions, one by one, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx2
import pytest
from tests.support.n8n_reading import ALL_VERSIONS, MIDDLE, OLD, api_of, executions
from tests.support.n8n_server import QUICK, N8nServer
from tests.support.recordings import corpus, recording

from ticktrail import __version__
from ticktrail.settings.settings import N8nSettings, Secret
from ticktrail.sources.n8n_api.api import N8nApi


@pytest.fixture
def n8n() -> Iterator[N8nServer]:
    """An n8n 2.41.1 with the 1,020 recorded executions."""
    with N8nServer(corpus()) as server:
        yield server


def test_metadata_has_rows_without_data(n8n: N8nServer) -> None:
    """A page of metadata has the newest executions with n8n's own times, and says that more follow."""
    with api_of(n8n) as api:
        page = api.metadata()
    first = page.rows[0]
    assert [row.id for row in page.rows] == list(range(1022, 772, -1))
    assert page.more
    assert (first.status, first.finished, first.mode, first.workflow_id) == (
        "success",
        True,
        "webhook",
        n8n.workflow_id,
    )
    assert (first.started_at, first.stopped_at) == ("2026-11-22T13:42:02.806Z", "2026-11-22T13:42:02.887Z")
    assert first.final is True


def test_metadata_begins_below_any_id(n8n: N8nServer) -> None:
    """Hand-made cursors start anywhere, with any page size, down to the last row."""
    with api_of(n8n) as api:
        assert [row.id for row in api.metadata(500, 3).rows] == [499, 498, 497]
        last = api.metadata(5, 250)
    assert [row.id for row in last.rows] == [4, 3]
    assert not last.more


def test_data_is_raw(n8n: N8nServer) -> None:
    """A page with data gives each execution exactly as n8n wrote it."""
    with api_of(n8n) as api:
        page = api.data(1000, 2)
    assert page.ids == (999, 998)
    assert page.executions == corpus()[23:25]


def test_one_execution_or_none(n8n: N8nServer) -> None:
    """A single execution comes with its data; one that n8n does not have is None."""
    with api_of(n8n) as api:
        assert api.execution(999) == corpus()[23]
        assert api.execution(5_000) is None


def test_the_workflow_is_shown() -> None:
    """The workflow comes with its nodes and settings, as n8n has them."""
    recorded = json.loads(recording("workflow"))
    with N8nServer(workflows=[recorded]) as n8n, api_of(n8n) as api:
        assert api.workflow() == recorded


def test_all_workflows_are_listed_over_several_pages() -> None:
    """Every workflow comes, with the types of its nodes each once."""
    node = {"type": "n8n-nodes-base.whatsAppTrigger"}
    many = [
        {"id": f"w{number}", "name": f"No {number}", "active": True, "nodes": [node, node]} for number in range(301)
    ]
    with N8nServer(workflows=many) as n8n, api_of(n8n) as api:
        found = api.workflows()
    assert [workflow.id for workflow in found] == [workflow["id"] for workflow in many]
    assert (found[0].name, found[0].active, found[0].node_types) == ("No 0", True, ("n8n-nodes-base.whatsAppTrigger",))


@ALL_VERSIONS
def test_size_limit_and_redaction_are_asked_for_only_where_known(version: str) -> None:
    """A parameter that a release refuses is dropped, the answer comes all the same, and it is not sent again."""
    with N8nServer(corpus()[:3], version=version) as n8n, api_of(n8n) as api:
        for _ in range(2):
            assert api.execution(1022, ignore_size_limit=True, redact=False) is not None
        refused = [request for request in n8n.requests if n8n.respond(request)[0] == 400]
        assert len(refused) == {OLD: 2, MIDDLE: 2}.get(version, 0)
        assert api.can_ignore_size_limit is (version not in {OLD, MIDDLE})


def test_the_key_and_the_headers_are_sent() -> None:
    """Key, basic auth, extra headers, workflow, and who asks are in every request; no status filter is."""
    with (
        N8nServer(corpus()[:40], basic=("shop", "p:ss wörd")) as n8n,
        api_of(n8n, basic_user="shop", basic_pass=Secret("p:ss wörd"), headers=(("X-Access", Secret("door")),)) as api,
    ):
        assert len(executions(api.pages())) == 40
        for request in n8n.requests:
            assert request.headers["x-n8n-api-key"] == "n8n-test-key"
            assert request.headers["x-access"] == "door"
            assert request.headers["user-agent"] == f"ticktrail/{__version__}"
            if request.is_list():
                assert request.query["workflowId"] == n8n.workflow_id
                assert "status" not in request.query
                assert 1 <= request.limit <= 250


def test_a_reverse_proxys_prefix_is_kept() -> None:
    """n8n behind a path prefix is read like any other."""
    with N8nServer(corpus()[:3], path_prefix="/tools/n8n") as n8n, api_of(n8n) as api:
        assert len(executions(api.pages())) == 3


class Rerouted(httpx2.BaseTransport):
    """Takes requests for any host to the server in this process."""

    def __init__(self, server: N8nServer) -> None:
        self._to = httpx2.URL(server.address)
        self._transport = httpx2.HTTPTransport()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request to the server, with the host it was meant for in its headers."""
        request.url = request.url.copy_with(scheme="http", host=self._to.host, port=self._to.port)
        return self._transport.handle_request(request)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


def far_api(server: N8nServer) -> N8nApi:
    """A source that takes the server for one on the internet."""
    settings = N8nSettings(base_url="https://n8n.example.com", api_key=Secret(server.api_key))
    return N8nApi(settings, server.workflow_id, transport=Rerouted(server), retry_policy=QUICK)


def test_lists_are_compressed_on_the_way(n8n: N8nServer) -> None:
    """From a far n8n everything is asked for compressed; the size reported is that on the wire."""
    with far_api(n8n) as api:
        size = sum(page.size for page in api.pages())
    assert {request.headers["accept-encoding"] for request in n8n.requests} == {"gzip"}
    assert size < 0.2 * sum(len(text) for text in corpus())


def test_a_near_n8n_does_not_compress_data(n8n: N8nServer) -> None:
    """Where bytes cost nothing, n8n is not made to compress data: it does that in the process that answers Meta."""
    with api_of(n8n) as api:
        list(api.pages(limit=100))
    asked = {request.is_list_with_data(): request.headers["accept-encoding"] for request in n8n.requests}
    assert asked == {True: "identity", False: "gzip"}


def test_fat_executions_are_not_compressed() -> None:
    """From 64 KB an execution, the pages that follow are asked for plain, even from afar."""
    fat = [corpus()[i].replace(b'"customData":{}', b'"customData":{"x":"' + b"y" * 80_000 + b'"}') for i in range(60)]
    with N8nServer(fat) as n8n, far_api(n8n) as api:
        assert executions(api.pages()) == fat
        asked = [request.headers["accept-encoding"] for request in n8n.requests if request.is_list_with_data()]
    assert asked[0] == "gzip"
    assert set(asked[1:]) == {"identity"}


def test_one_connection_is_kept_open(n8n: N8nServer) -> None:
    """A whole pass uses one connection."""
    with api_of(n8n) as api:
        list(api.pages())
    assert n8n.connections == 1
