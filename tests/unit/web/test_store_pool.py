"""Reading threads step back behind a sync."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import pytest

from ticktrail.settings.settings import load_settings
from ticktrail.stores import Store
from ticktrail.web.cache import QueryCache
from ticktrail.web.courtesy import NICENESS
from ticktrail.web.store_pool import open_ledgers


def _priority(_: Store) -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
def test_what_reads_for_pages_and_for_programs_gives_way(tmp_path: Path) -> None:
    """Questions are asked at a lower priority than that of the thread that serves, which keeps its own."""
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    ledgers = open_ledgers(load_settings({"TICKTRAIL_STORE": str(tmp_path / "a.db")}, {}, tmp_path))
    try:
        assert asyncio.run(ledgers.ask(_priority)) == NICENESS
        assert asyncio.run(QueryCache(ledgers).ask(_priority)) == NICENESS
    finally:
        ledgers.close()
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == own
