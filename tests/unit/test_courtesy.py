"""Reading threads step back behind a sync."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ticktrail.config import load_settings
from ticktrail.dashboard.courtesy import NICENESS
from ticktrail.dashboard.ledger import Ledger
from ticktrail.dashboard.ledgers import Ledgers
from ticktrail.stores import Store, StoreOptions, open_store


def _priority(_: Store) -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
def test_what_reads_for_pages_and_for_programs_gives_way(tmp_path: Path) -> None:
    """Questions are asked at a lower priority than that of the thread that serves, which keeps its own."""
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    path = str(tmp_path / "a.db")
    pages = Ledger(load_settings({"TICKTRAIL_STORE": path}, {}, tmp_path))
    programs = Ledgers(lambda: open_store(path, StoreOptions(timezone=ZoneInfo("UTC"))))
    try:
        assert asyncio.run(pages.ask(_priority)) == NICENESS
        assert asyncio.run(programs.ask(_priority)) == NICENESS
    finally:
        pages.close()
        programs.close()
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == own
