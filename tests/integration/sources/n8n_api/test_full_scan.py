"""The full pass over n8n's executions: whatever n8n hides, drops or withholds, all that it lists comes or is named."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.support.n8n_reading import ALL_VERSIONS, MIDDLE, NEW, OLD, api_of, executions, ids, problems, reason
from tests.support.n8n_server import N8nRequest, N8nServer
from tests.support.recordings import corpus, recording

from ticktrail.errors import SourceUnavailableError
from ticktrail.sources.n8n_api import fetching as n8n_fetch
from ticktrail.sources.n8n_api.api import Timeouts
from ticktrail.sources.n8n_api.responses import FetchedPage


@pytest.fixture
def n8n() -> Iterator[N8nServer]:
    """An n8n 2.41.1 with the 1,020 recorded executions."""
    with N8nServer(corpus()) as server:
        yield server


@ALL_VERSIONS
def test_unreadable_executions_are_named_and_cost_nothing_else(version: str) -> None:
    """Whatever n8n cannot read of a page, all the rest comes, and each lost one is named once."""
    with N8nServer(corpus(), version=version) as n8n, api_of(n8n) as api:
        n8n.data_missing |= {1022, 700, 701, 3}
        n8n.corrupt |= {900, 30}
        lost = n8n.data_missing | n8n.corrupt
        pages = list(api.pages())
    assert ids(pages) == [number for number in range(1022, 2, -1) if number not in lost]
    said = problems(pages)
    assert sorted(said) == sorted(
        f"execution {number}: n8n did not return its data ({reason(said, number)})" for number in lost
    )
    assert {gone.id for page in pages if isinstance(page, FetchedPage) for gone in page.withheld} == lost


def test_a_page_that_ends_early_does_not_end_the_walk() -> None:
    """A stretch of unreadable data answers `data: [], nextCursor: null`; everything older comes all the same."""
    with N8nServer(corpus(), version=NEW) as n8n, api_of(n8n) as api:
        n8n.data_missing |= set(range(600, 1023))
        pages = list(api.pages())
    assert ids(pages) == list(range(599, 2, -1))
    assert len(problems(pages)) == 423


def test_a_poisoned_page_is_halved_down_to_the_execution_at_fault() -> None:
    """Up to 2.24 one corrupt row spoils its page: the others come, with few more requests than without it."""
    with N8nServer(corpus()[:250], version=MIDDLE) as n8n, api_of(n8n) as api:
        list(api.pages())
        usual = len(n8n.requests)
        n8n.corrupt.add(850)
        pages = list(api.pages())
        assert len(n8n.requests) - 2 * usual < 25
    assert set(range(773, 1023)) - set(ids(pages)) == {850}
    assert problems(pages) == ["execution 850: n8n did not return its data (n8n cannot read its data)"]


def test_reasons_are_told_apart() -> None:
    """Missing data, corrupt data and a deletion in the middle of it have reasons of their own."""
    with N8nServer(corpus()[:30]) as n8n, api_of(n8n) as api:
        n8n.data_missing.add(1020)
        n8n.corrupt.add(1010)
        n8n.before_answer(lambda: n8n.remove(1000), when=N8nRequest.is_list_with_data)
        said = problems(api.pages())
    assert reason(said, 1020) == "its data is missing"
    assert reason(said, 1010) == "n8n answered 500 (Internal server error)"
    assert reason(said, 1000) == "n8n deleted it meanwhile"


@ALL_VERSIONS
def test_withheld_data_is_fetched_singly(version: str) -> None:
    """Data too large to display comes whole, by itself, where the release knows how; older ones never withhold."""
    with N8nServer(corpus()[:60], version=version) as n8n, api_of(n8n) as api:
        n8n.withheld |= {1000, 1001, 970}
        pages = list(api.pages())
        assert problems(pages) == []
        assert ids(pages) == list(range(1022, 962, -1))
        assert all(b'"runData":{"WhatsApp Trigger"' in execution for execution in executions(pages))


def test_withheld_data_that_cannot_be_fetched_is_handed_out_as_it_is() -> None:
    """Where even the single request fails, the withheld execution itself comes: it says why it is empty."""
    with N8nServer(corpus()[:30]) as n8n, api_of(n8n) as api:
        n8n.withheld.add(1000)
        n8n.answer(500, {"message": "Invalid string length"}, times=None, when=N8nRequest.is_single)
        pages = list(api.pages())
    assert problems(pages) == []
    withheld = [execution for execution in executions(pages) if b"dataTooLargeToDisplay" in execution]
    assert [json.loads(execution)["id"] for execution in withheld] == ["1000"]


def test_versions_without_status_are_read() -> None:
    """Up to 1.110 rows have no status: unfinished-looking ones are fetched singly, where n8n tells it."""
    waiting = json.loads(recording("execution_waiting")) | {"workflowId": "bcHn4wXXcVuTsjYB"}
    with N8nServer([*corpus()[:30], waiting], version=OLD) as n8n, api_of(n8n) as api:
        assert {row.status for row in api.metadata().rows} == {None}
        assert [row.final for row in api.metadata(limit=2).rows] == [None, True]
        pages = list(api.pages())
    by_id = {int(json.loads(text)["id"]): json.loads(text) for text in executions(pages)}
    assert len(by_id) == 31
    assert by_id[1030]["status"] == "waiting"
    assert "status" not in by_id[1022]


def test_unfinished_executions_come_too(n8n: N8nServer) -> None:
    """Listed executions that wait or run are returned with the data they have."""
    n8n.add(json.loads(recording("execution_waiting")) | {"workflowId": n8n.workflow_id})
    with api_of(n8n) as api:
        assert ids(api.pages(limit=2)) == [1030, 1022]


def test_hidden_executions_come_when_they_show(n8n: N8nServer) -> None:
    """An execution that no list shows is no problem; once it shows, below ids already read, it comes."""
    n8n.hidden |= {1000, 500}
    with api_of(n8n) as api:
        before = list(api.pages())
        n8n.hidden.clear()
        after = ids(api.pages())
    assert set(after) - set(ids(before)) == {1000, 500}
    assert problems(before) == []


def test_rows_that_appear_in_the_middle_do_not_push_others_out(n8n: N8nServer) -> None:
    """Rows that show up between the list and its data shift the page; still all that was listed comes, once each."""
    n8n.hidden |= set(range(1010, 1016))
    n8n.before_answer(n8n.hidden.clear, when=N8nRequest.is_list_with_data)
    with api_of(n8n) as api:
        found = ids(api.pages())
    assert len(found) == len(set(found))
    assert set(found) >= set(range(3, 1023)) - set(range(1010, 1016))


def test_rows_pruned_in_the_middle_are_named(n8n: N8nServer) -> None:
    """Executions that n8n deletes between list and data are named, and none is returned twice."""
    n8n.before_answer(
        lambda: n8n.remove(*range(3, 300)), when=lambda request: request.is_list_with_data() and request.below == 523
    )
    with api_of(n8n) as api:
        pages = list(api.pages())
    assert ids(pages) == list(range(1022, 299, -1))
    assert problems(pages) == [
        f"execution {number}: n8n did not return its data (n8n deleted it meanwhile)" for number in range(299, 272, -1)
    ]


def test_only_what_is_wanted_is_fetched(n8n: N8nServer) -> None:
    """Of a page of metadata, only the wanted ids are fetched: neighbours together, single ones by themselves."""
    wanted = {1022, 1021, 1020, 1000, 900, 899}
    with api_of(n8n) as api:
        listed = api.metadata()
        asked_before = len(n8n.requests)
        pages = list(api.fetch(listed, wanted))
        assert [page.ids for page in pages] == [(1022, 1021, 1020), (1000,), (900, 899)]
        assert len(n8n.requests) - asked_before == 3


def test_withheld_data_is_fetched_when_asked_for_singly(n8n: N8nServer) -> None:
    """A single wanted execution that is too large to display comes whole too."""
    n8n.withheld.add(1000)
    with api_of(n8n) as api:
        (page,) = api.fetch(api.metadata(), {1000})
    assert page.executions == (corpus()[22],)


def test_pages_grow_while_n8n_manages(n8n: N8nServer) -> None:
    """Pages of small executions grow from 25 to 250."""
    with api_of(n8n) as api:
        list(api.pages())
    limits = [request.limit for request in n8n.requests if request.is_list_with_data()]
    assert limits[0] == 25
    assert max(limits) == 250


def test_pages_of_large_executions_stay_small() -> None:
    """Pages are kept to about 8 MB, and so is what n8n has to make at once."""
    fat = [corpus()[i].replace(b'"customData":{}', b'"customData":{"x":"' + b"y" * 600_000 + b'"}') for i in range(60)]
    with N8nServer(fat) as n8n, api_of(n8n) as api:
        assert executions(api.pages()) == fat
        limits = [request.limit for request in n8n.requests if request.is_list_with_data()]
    assert max(limits[1:]) <= 14


def test_a_page_that_is_far_too_large_is_not_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is far larger than it should be is given up on the way and requested in halves."""
    monkeypatch.setattr(n8n_fetch, "_PAGE_BYTES", 40_000)
    monkeypatch.setattr(n8n_fetch, "LARGEST_PAGE_BYTES", 320_000)
    fat = [corpus()[i].replace(b'"customData":{}', b'"customData":{"x":"' + b"y" * 100_000 + b'"}') for i in range(30)]
    with N8nServer(fat) as n8n, api_of(n8n) as api:
        assert executions(api.pages()) == fat
        assert [request.limit for request in n8n.requests if request.is_list_with_data()][:4] == [25, 12, 6, 3]


def test_a_lone_surrogate_costs_no_further_request(n8n: N8nServer) -> None:
    """A page that strict readers refuse is read by the lenient one, not asked for again."""
    with api_of(n8n) as api:
        list(api.pages(limit=250))
        usual = len(n8n.requests)
        n8n.add(corpus()[5].replace(b'"customData":{}', b'"customData":{"x":"\\ud83d"}'))
        assert len(executions(api.pages(limit=250))) == 250
        assert len(n8n.requests) <= 2 * usual


def test_pages_shrink_when_n8n_is_slow(n8n: N8nServer) -> None:
    """A page that takes too long is asked for in halves, nothing is lost, and the next pages are smaller."""
    n8n.delay(3.0, times=None, when=lambda request: request.is_list_with_data() and request.limit > 30)
    with api_of(n8n, timeouts=Timeouts(read=1.5)) as api:
        pages = list(api.pages(limit=60))
    assert ids(pages) == list(range(1022, 962, -1))
    assert problems(pages) == []


def test_pages_grow_again_when_n8n_recovers(n8n: N8nServer) -> None:
    """However small pages became while n8n was slow, they become large again once it is not."""
    n8n.hang_up(times=None, when=lambda request: request.is_list_with_data() and request.limit > 1)
    with api_of(n8n) as api:
        pages = api.pages()
        found = ids(next(pages) for _ in range(30))
        assert max(request.limit for request in n8n.requests[-6:] if request.is_list_with_data()) <= 2
        n8n.heal()
        found += ids(pages)
    assert found == list(range(1022, 2, -1))
    assert max(request.limit for request in n8n.requests[-5:] if request.is_list_with_data()) > 100


def test_the_next_page_is_smaller_after_one_that_failed(n8n: N8nServer) -> None:
    """A request that n8n failed to answer is not repeated at once."""
    n8n.hang_up(times=None, when=lambda request: request.is_list_with_data() and request.limit > 10)
    with api_of(n8n) as api:
        list(api.pages())
    limits = [request.limit for request in n8n.requests if request.is_list_with_data()]
    assert limits[:6] == [25, 25, 12, 12, 6, 6]
    assert sum(limit > 10 for limit in limits) < 0.3 * len(limits)


def test_what_a_page_leaves_out_and_n8n_shows_alone_comes_in_its_place(n8n: N8nServer) -> None:
    """Rows missing from a page with data are asked for singly, and stand where they belong."""
    n8n.before_answer(lambda: n8n.hidden.update({1022, 1010, 1005}), when=N8nRequest.is_list_with_data)
    with api_of(n8n) as api:
        pages = list(api.pages(limit=100))
    assert ids(pages) == list(range(1022, 922, -1))
    assert problems(pages) == []


def test_corrupt_executions_in_a_row_do_not_end_the_pass(n8n: N8nServer) -> None:
    """A long stretch that n8n answers with 500 is named, one by one, and what is older comes."""
    n8n.corrupt |= set(range(900, 960))
    with api_of(n8n) as api:
        pages = list(api.pages())
        singles = [request for request in n8n.requests if request.is_single()]
    assert ids(pages) == [number for number in range(1022, 2, -1) if not 900 <= number < 960]
    assert len(problems(pages)) == 60
    assert len(singles) < 60 + 20


def test_an_execution_that_n8n_cannot_send_is_named(n8n: N8nServer) -> None:
    """When one execution makes n8n fail every time, it is found, named, and the rest comes."""

    def holds_1000(request: N8nRequest) -> bool:
        if request.is_single():
            return request.path.endswith("/1000")
        return (
            request.is_list_with_data() and (request.below or 9_999) > 1000 >= (request.below or 9_999) - request.limit
        )

    n8n.hang_up(times=None, when=holds_1000)
    with api_of(n8n) as api:
        pages = list(api.pages(limit=100))
    assert set(range(923, 1023)) - set(ids(pages)) == {1000}
    assert problems(pages) == ["execution 1000: n8n did not return its data (the connection broke)"]


def test_when_no_data_comes_at_all_it_gives_up(n8n: N8nServer) -> None:
    """n8n lists and never hands out: after some in a row that is n8n's trouble, not the executions'."""
    n8n.hang_up(times=None, when=lambda request: request.is_list_with_data() or request.is_single())
    with api_of(n8n) as api, pytest.raises(SourceUnavailableError, match="20 in a row"):
        list(api.pages())


def test_a_list_n8n_does_not_manage_is_asked_for_in_smaller_parts(n8n: N8nServer) -> None:
    """Up to 1.117 even a list without data is heavy: where 250 rows fail, fewer are asked for."""
    n8n.answer(500, {"message": "out of memory"}, times=None, when=lambda r: r.is_list_without_data() and r.limit > 100)
    with api_of(n8n) as api:
        assert ids(api.pages()) == list(range(1022, 2, -1))


def test_a_frozen_list_does_not_go_round_for_ever(n8n: N8nServer) -> None:
    """When something answers every page with the first one, that is said instead of reading it again and again."""
    first = n8n.respond(
        N8nRequest(f"{n8n.path_prefix}/api/v1/executions", {"limit": "250"}, {"x-n8n-api-key": n8n.api_key})
    )
    n8n.answer(200, first[1], times=None, when=N8nRequest.is_list_without_data)
    with api_of(n8n) as api, pytest.raises(SourceUnavailableError, match="same page"):
        list(api.pages())
