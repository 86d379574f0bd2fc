"""Reading threads step back behind a sync."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import pytest

from ticktrail.config import load_settings
from ticktrail.dashboard.courtesy import NICENESS
from ticktrail.dashboard.ledger import Ledger
from ticktrail.dashboard.ledgers import open_ledgers
from ticktrail.stores import Store


def _priority(_: Store) -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
def test_what_reads_for_pages_and_for_programs_gives_way(tmp_path: Path) -> None:
    """Questions are asked at a lower priority than that of the thread that serves, which keeps its own."""
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    ledgers = open_ledgers(load_settings({"TICKTRAIL_STORE": str(tmp_path / "a.db")}, {}, tmp_path))
    try:
        assert asyncio.run(ledgers.ask(_priority)) == NICENESS
        assert asyncio.run(Ledger(ledgers).ask(_priority)) == NICENESS
    finally:
        ledgers.close()
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == own
