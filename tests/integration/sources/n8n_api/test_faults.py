"""How the n8n source bears faults: those that pass are waited out, those that stay say what to do."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
import traceback
import tracemalloc
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import msgspec
import pytest
from tests.support.n8n_reading import ALL_VERSIONS, api_of, executions, problems
from tests.support.n8n_server import EDITOR, QUICK, N8nRequest, N8nServer
from tests.support.patience import PATIENCE_SECONDS
from tests.support.recordings import corpus

from ticktrail.errors import SourceRefusedError, SourceUnavailableError
from ticktrail.settings.settings import N8nSettings, Secret
from ticktrail.sources.n8n_api.api import N8nApi, RetryPolicy, Timeouts


@pytest.fixture
def n8n() -> Iterator[N8nServer]:
    """An n8n 2.41.1 with the 1,020 recorded executions."""
    with N8nServer(corpus()) as server:
        yield server


# --- faults that pass -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_fault_leaves_no_trace(n8n: N8nServer, status: int) -> None:
    """Three bad answers in a row at any point are waited out: everything comes."""
    n8n.answer(status, b"<h1>try later</h1>", times=3, when=N8nRequest.is_list_without_data)
    n8n.answer(status, b"<h1>try later</h1>", times=1, when=N8nRequest.is_list_with_data)
    with api_of(n8n) as api:
        assert executions(api.pages()) == list(corpus())


def test_broken_connections_are_asked_again(n8n: N8nServer) -> None:
    """Half an answer, and no answer at all, are asked for again."""
    n8n.break_off(times=1, when=N8nRequest.is_list_without_data)
    n8n.hang_up(times=1, when=N8nRequest.is_list_without_data)
    n8n.break_off(times=1, when=N8nRequest.is_list_with_data)
    n8n.hang_up(times=1, when=N8nRequest.is_list_with_data)
    with api_of(n8n) as api:
        assert executions(api.pages()) == list(corpus())


def test_json_cut_short_is_asked_again(n8n: N8nServer) -> None:
    """An answer that says it is whole and is not is asked for again."""
    n8n.answer(200, b'{"data":[{"id":"1022","fin', times=1)
    n8n.answer(200, b'{"data":[{"id":"1022","data":{}},{"id"', times=1, when=N8nRequest.is_list_with_data)
    with api_of(n8n) as api:
        assert executions(api.pages()) == list(corpus())


def test_n8n_that_starts_is_waited_for(n8n: N8nServer) -> None:
    """While n8n starts it answers 404 in HTML, then 200 in plain text: neither is taken for "nothing there"."""
    n8n.answer(404, b"<pre>Cannot GET /api/v1/executions</pre>", times=2)
    n8n.answer(200, b"n8n is starting up. Please wait", times=2)
    retry_policy = RetryPolicy(
        attempts=1, starting=PATIENCE_SECONDS, wait_initial=0.001, wait_max=0.005, wait_jitter=0.0
    )
    with api_of(n8n, retry_policy=retry_policy) as api:
        assert len(executions(api.pages())) == 1_020


def test_n8n_that_restarts_in_the_middle_is_waited_for(n8n: N8nServer) -> None:
    """n8n may go away and come back during the pass."""
    with api_of(
        n8n,
        retry_policy=RetryPolicy(attempts=50, total=PATIENCE_SECONDS, wait_initial=0.01, wait_max=0.02, wait_jitter=0),
    ) as api:
        pages = api.pages()
        found = executions([next(pages)])
        n8n.stop()
        n8n.start()
        assert found + executions(pages) == list(corpus())


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(n8n: N8nServer, form: str) -> None:
    """The wait that a 429 asks for is kept, in seconds or as a date."""
    now = datetime.now(UTC)
    later = now + timedelta(seconds=2)
    soonest = now + timedelta(seconds=0.9) if form == "seconds" else later.replace(microsecond=0)
    n8n.answer(429, b"slow down", {"Retry-After": "1" if form == "seconds" else format_datetime(later, usegmt=True)})
    retry_policy = RetryPolicy(attempts=2, wait_initial=0.0, wait_max=0.0, wait_jitter=0.0)
    with api_of(n8n, retry_policy=retry_policy) as api:
        api.metadata()
    assert datetime.now(UTC) >= soonest


def test_retry_after_is_capped(n8n: N8nServer) -> None:
    """A ``Retry-After`` of a day is not waited for."""
    n8n.answer(429, b"slow down", {"Retry-After": "86400"})
    with api_of(n8n) as api:
        began = time.monotonic()
        api.metadata()
    assert time.monotonic() - began < PATIENCE_SECONDS


@pytest.mark.parametrize("nonsense", ["soon", "-5", "", "1e9", "Mon, 99 Foo 2026 00:00:00 GMT"])
def test_a_nonsense_retry_after_is_ignored(n8n: N8nServer, nonsense: str) -> None:
    """An invalid ``Retry-After`` is ignored."""
    n8n.answer(503, b"", {"Retry-After": nonsense})
    with api_of(n8n) as api:
        assert api.metadata().rows


# --- faults that stay -----------------------------------------------------------------------------------------------


def failure_of(
    server: N8nServer, *, retry_policy: RetryPolicy = QUICK, **changes: Any
) -> SourceRefusedError | SourceUnavailableError:
    """The outcome of the first request."""
    with (
        api_of(server, retry_policy=retry_policy, **changes) as api,
        pytest.raises((SourceRefusedError, SourceUnavailableError)) as caught,
    ):
        list(api.pages())
    return caught.value  # type: ignore[return-value]


@ALL_VERSIONS
def test_a_refused_key_is_not_tried_again(version: str) -> None:
    """401: one request, and the way to a new key at the address people see."""
    with N8nServer(corpus()[:3], version=version) as n8n:
        error = failure_of(n8n, api_key=Secret("wrong-key"), editor_url="https://n8n.example.com")
        assert isinstance(error, SourceRefusedError)
        assert str(error) == "n8n refused the key. Nothing was lost."
        assert error.remedy == "Create a new one at https://n8n.example.com/settings/api, then: ticktrail init"
        assert len(n8n.requests) == 1


def test_a_missing_key_is_said(n8n: N8nServer) -> None:
    """Without a key n8n is said to ask for one."""
    assert "N8N_API_KEY is not set" in str(failure_of(n8n, api_key=None))


def test_a_missing_scope_names_all_four(n8n: N8nServer) -> None:
    """403 from n8n: one request, and the scopes to choose."""
    n8n.scopes = {"workflow:read"}
    error = failure_of(n8n)
    assert "scope" in str(error)
    for scope in ("execution:list", "execution:read", "workflow:list", "workflow:read"):
        assert scope in error.remedy
    assert len(n8n.requests) == 1


def test_a_scope_that_only_single_executions_need_is_missed_too(n8n: N8nServer) -> None:
    """A key without execution:read lists everything; the first execution it may not show alone says so."""
    n8n.scopes = {"execution:list", "workflow:read"}
    n8n.data_missing.add(1000)
    assert "scope" in str(failure_of(n8n))


def test_data_that_may_not_be_revealed_is_said(n8n: N8nServer) -> None:
    """Asking for clear data without the right to it says whose right is missing."""
    n8n.answer(403, {"message": "The 'execution:reveal' scope is required."}, when=N8nRequest.is_single)
    with api_of(n8n) as api, pytest.raises(SourceRefusedError, match="execution:reveal"):
        api.execution(1000, redact=False)


def test_an_unknown_workflow_is_refused(n8n: N8nServer) -> None:
    """n8n answers an empty list for a workflow it does not have; here that is an error with the id in it."""
    with (
        N8nApi(n8n.settings(), "mistyped", retry_policy=QUICK) as api,
        pytest.raises(SourceRefusedError, match="mistyped"),
    ):
        list(api.pages())


def test_a_workflow_that_never_ran_is_empty() -> None:
    """A workflow that exists and has no execution is just empty."""
    with N8nServer() as n8n, api_of(n8n) as api:
        assert list(api.pages()) == []


def test_an_empty_list_that_cannot_be_proven_is_said() -> None:
    """Where the key may not read workflows, an empty list leaves a doubt, and the doubt is said."""
    with N8nServer() as n8n, api_of(n8n) as api:
        n8n.scopes = {"execution:list", "execution:read"}
        assert "mistyped" in problems(api.pages())[0]


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, EDITOR), (404, b"<pre>Cannot GET /api/v1/executions</pre>"), (200, b""), (200, b"OK"), (404, b"")],
    ids=["the editor", "API switched off", "nothing", "a word", "an empty 404"],
)
def test_what_is_not_n8n_is_never_an_empty_list(n8n: N8nServer, status: int, body: bytes) -> None:
    """Anything but n8n's JSON: asked again for a while, then an error that names the three causes."""
    n8n.answer(status, body, times=None)
    # Long enough for a machine that is busy with other tests.
    error = failure_of(n8n, retry_policy=msgspec.structs.replace(QUICK, starting=1.0))
    assert isinstance(error, SourceUnavailableError)
    assert "N8N_BASE_URL" in error.remedy
    assert "N8N_PUBLIC_API_DISABLED" in error.remedy
    assert len(n8n.requests) > 2


@pytest.mark.parametrize("body", [{"items": []}, {"data": []}, {"data": {}, "nextCursor": None}, {"nextCursor": None}])
def test_another_applications_json_is_never_an_empty_list(n8n: N8nServer, body: dict[str, Any]) -> None:
    """JSON without n8n's two keys is not n8n."""
    n8n.answer(200, body, times=None)
    assert "not as n8n does" in str(failure_of(n8n))


def test_a_wrong_prefix_is_said(n8n: N8nServer) -> None:
    """With a wrong prefix n8n shows its editor, or says 404 in JSON: both name N8N_API_PREFIX."""
    assert "N8N_API_PREFIX" in failure_of(n8n, prefix="/api/v2").remedy
    assert "N8N_API_PREFIX" in failure_of(n8n, prefix="/api/v1/old").remedy


def test_a_login_page_is_not_followed(n8n: N8nServer) -> None:
    """A redirect to another host is an error with a remedy: the key goes nowhere else."""
    n8n.answer(302, b"", {"Location": "https://login.example.com/?next=/api/v1/executions"}, times=None)
    error = failure_of(n8n)
    assert isinstance(error, SourceRefusedError)
    assert "login.example.com" in str(error)
    assert "N8N_HEADERS" in error.remedy
    assert len(n8n.requests) == 1


def test_a_moved_n8n_names_the_right_address(n8n: N8nServer) -> None:
    """A redirect to the same API elsewhere names what to set."""
    n8n.answer(301, b"", {"Location": "https://n8n.example.com/tools/api/v1/executions?limit=250"}, times=None)
    error = failure_of(n8n)
    assert "https://n8n.example.com/tools" in str(error)
    assert error.remedy == "Set N8N_BASE_URL=https://n8n.example.com/tools"


def test_basic_auth_in_front_is_told_apart_from_the_key(n8n: N8nServer) -> None:
    """A 401 of the proxy asks for its own user name, not for a new key."""
    n8n.basic = ("shop", "secret")
    assert "N8N_BASIC_USER" in failure_of(n8n).remedy
    wrong = failure_of(n8n, basic_user="shop", basic_pass=Secret("other"))
    assert "refused N8N_BASIC_USER" in str(wrong)


def test_a_proxys_403_is_told_apart_from_a_scope(n8n: N8nServer) -> None:
    """403 in HTML comes from what stands in front of n8n."""
    n8n.answer(403, b"<h1>Forbidden</h1>", times=None)
    assert "in front of n8n" in str(failure_of(n8n))


def test_a_refused_connection_hints_at_containers() -> None:
    """Nothing listening at localhost: the message says so, and what localhost means in a container."""
    with N8nServer() as n8n:
        pass
    error = failure_of(n8n)
    assert isinstance(error, SourceUnavailableError)
    assert "refused" in str(error)
    assert "container" in error.remedy


def test_an_unknown_host_is_said() -> None:
    """A name that no network knows is named."""
    settings = N8nSettings(base_url="http://nobody.invalid:5678", api_key=Secret("k"))
    with (
        N8nApi(settings, "w", retry_policy=QUICK) as api,
        pytest.raises(SourceUnavailableError, match=r"nobody\.invalid cannot be resolved"),
    ):
        list(api.pages())


def test_n8n_that_stays_down_is_given_up_on(n8n: N8nServer) -> None:
    """A fault that stays ends after the bounded number of attempts."""
    n8n.answer(503, {"message": "Database is not ready!"}, times=None)
    error = failure_of(n8n)
    assert isinstance(error, SourceUnavailableError)
    assert "Database is not ready!" in str(error)
    assert len(n8n.requests) == QUICK.attempts


def test_no_message_or_log_has_a_secret(n8n: N8nServer, caplog: pytest.LogCaptureFixture) -> None:
    """Keys, passwords, headers and what n8n quotes of its data stay out of messages, reprs and logs."""
    secrets = ["s3cret-key", "s3cret-pass", "s3cret-header", "966500000012", "Dear customer"]
    body = {"message": 'Unexpected token "Dear customer" for 966500000012 with s3cret-key'}
    caplog.set_level(logging.DEBUG)
    for status in (400, 401, 403, 404, 418, 500, 503):
        n8n.heal()
        n8n.answer(status, body, times=None)
        changes: dict[str, Any] = {
            "api_key": Secret("s3cret-key"),
            "basic_user": "shop",
            "basic_pass": Secret("s3cret-pass"),
            "headers": (("X-Door", Secret("s3cret-header")),),
        }
        with api_of(n8n, **changes) as api, pytest.raises((SourceRefusedError, SourceUnavailableError)) as caught:
            list(api.pages())
        shown = (
            f"{caught.value} {caught.value.remedy} {caught.value!r} {api!r} {n8n.settings(**changes)!r} {caplog.text}"
        )
        shown += "".join(traceback.format_exception(caught.value))
        assert [secret for secret in secrets if secret in shown] == []


def test_retries_print_nothing(n8n: N8nServer) -> None:
    """A retry is silent: in a program that set up no logging, nothing of it reaches the terminal."""
    n8n.answer(503, b"", times=2)
    code = f"""
from ticktrail.settings.secret import Secret
from ticktrail.settings.settings import N8nSettings
from ticktrail.sources.n8n_api.api import N8nApi, RetryPolicy, Timeouts
settings = N8nSettings(base_url={n8n.address!r}, api_key=Secret({n8n.api_key!r}))
with N8nApi(settings, {n8n.workflow_id!r}, retry_policy=RetryPolicy(wait_initial=0.0, wait_max=0.0)) as api:
    print(len(api.metadata().rows))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("250", "")


def test_n8n_that_falls_silent_in_the_middle_is_noticed_soon(n8n: N8nServer) -> None:
    """When nothing at all answers any more, that is not looked for in page after page."""
    n8n.hang_up(times=None, when=lambda _: len(n8n.requests) > 3)
    assert isinstance(failure_of(n8n), SourceUnavailableError)
    assert len(n8n.requests) < 12


def test_an_answer_that_unpacks_to_gigabytes_costs_its_execution_only() -> None:
    """It is given up at a limit and named; a page that does so is requested in halves."""
    packer = zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16)
    bomb = b"".join(packer.compress(b" " * 1_000_000) for _ in range(400)) + packer.flush()
    packed = {"Content-Encoding": "gzip"}
    with N8nServer(corpus()[:30]) as n8n, api_of(n8n) as api:
        number = int(msgspec.json.decode(corpus()[12])["id"])
        n8n.data_missing.add(number)
        n8n.answer(200, bomb, packed, times=1, when=N8nRequest.is_list_with_data)
        n8n.answer(200, bomb, packed, times=None, when=N8nRequest.is_single)
        tracemalloc.start()
        pages = list(api.pages())
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert sum(len(page.executions) for page in pages) == 29
    assert [(one.id, one.reason) for page in pages for one in page.withheld] == [(number, "it is larger than 128 MB")]
    assert highest < 300_000_000


@pytest.mark.parametrize("encoding", ["gzip, gzip", "deflate", "br"])
def test_an_encoding_that_was_not_requested_is_not_unpacked(n8n: N8nServer, encoding: str) -> None:
    """A text that was packed twice may hold a million times its size."""
    n8n.answer(200, b"packed", {"Content-Encoding": encoding}, times=None)
    assert "compressed its answer" in str(failure_of(n8n))


def test_an_answer_that_never_ends_is_given_up(n8n: N8nServer) -> None:
    """A server that sends a little now and then does not hold everything up for ever."""
    n8n.trickle(8.0, times=None, when=N8nRequest.is_list)
    retry_policy = RetryPolicy(attempts=1, wait_initial=0.0, wait_max=0.0)
    timeouts = Timeouts(read=5.0, whole=0.3)
    with (
        api_of(n8n, timeouts=timeouts, retry_policy=retry_policy) as api,
        pytest.raises(SourceUnavailableError, match="in time"),
    ):
        api.metadata(limit=10)
