"""One real n8n for the whole run: installed when needed, started once, stopped at the end."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from . import situations
from .fake_meta import FakeMeta
from .installation import Installation, install, wanted_version, why_not_here
from .n8n_lab import N8n


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, wherever these tests are run from."""
    config.addinivalue_line("markers", "e2e: needs a real n8n, which is installed on the first run")


@pytest.fixture(scope="session")
def installation() -> Installation:
    """A Node and an n8n ready to start; takes minutes the first time."""
    version = wanted_version()
    reason = why_not_here(version)
    if reason:
        pytest.skip(reason)
    return install(version)


@pytest.fixture(scope="session")
def fake_meta(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeMeta]:
    """The stand-in for graph.facebook.com."""
    meta = FakeMeta(tmp_path_factory.mktemp("fake-meta"))
    meta.start()
    yield meta
    meta.stop()


@pytest.fixture(scope="session")
def n8n(
    installation: Installation,
    fake_meta: FakeMeta,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[N8n]:
    """A running n8n with an owner and keys. It is shared: expect others' executions in it."""
    running = N8n(
        installation,
        tmp_path_factory.mktemp("n8n"),
        meta=fake_meta,
        extra_env={"EXECUTIONS_DATA_MAX_DISPLAY_SIZE": str(situations.DISPLAY_LIMIT_BYTES)},
    )
    running.start()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def _n8n_is_up(request: pytest.FixtureRequest) -> None:
    """A test that left n8n down costs the next one a start, not a failure."""
    if "n8n" in request.fixturenames:
        shared: N8n = request.getfixturevalue("n8n")
        if not shared.is_running():
            shared.start()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of n8n's log below a test that failed."""
    report = yield
    shared = getattr(item, "funcargs", {}).get("n8n")
    if report.failed and isinstance(shared, N8n):
        report.sections.append((f"end of {shared.log}", shared.log_tail()))
    return report
