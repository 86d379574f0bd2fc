"""Sync state in a SQLite store; :class:`ticktrail.stores.sync_state.SyncState` documents every method."""

from __future__ import annotations

import sqlite3
from datetime import datetime

import msgspec

from ticktrail.stores.coverage import BLOCK, Block, Change, Coverage, Facts, PendingExecution, merge_blocks
from ticktrail.stores.sqlite.connection import transaction
from ticktrail.stores.sqlite.database import Database
from ticktrail.stores.sqlite.errors import explained
from ticktrail.stores.sqlite.rows import to_instant, to_milliseconds
from ticktrail.stores.sync_state import KEPT_RUNS, LeaseRecord, Run

_encode = msgspec.json.Encoder().encode


class SqliteSyncState:
    """Sync state in tables beside the messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def identity(self) -> str:
        """Return the random id that the file got when it was created."""
        with explained(self._database.location):
            connection = self._database.reader() or self._database.writer()
            return str(connection.execute("SELECT id FROM identity").fetchone()[0])

    def load_coverage(self, scope: str) -> Coverage:
        """Return the coverage of a scope."""
        with explained(self._database.location):
            connection = self._database.reader()
            if connection is None:
                return Coverage()
            with transaction(connection, "DEFERRED"):
                blocks = {
                    number: Block(int.from_bytes(bits, "little"), latest)
                    for number, bits, latest in connection.execute(
                        "SELECT block, bits, latest_started_at FROM settled WHERE scope = ?", (scope,)
                    )
                }
                records = [
                    msgspec.json.decode(record, type=PendingExecution)
                    for (record,) in connection.execute("SELECT record FROM open_execution WHERE scope = ?", (scope,))
                ]
                row = connection.execute("SELECT facts FROM coverage_facts WHERE scope = ?", (scope,)).fetchone()
        facts = Facts() if row is None else msgspec.json.decode(row[0], type=Facts)
        return Coverage(blocks=blocks, pending={record.execution_id: record for record in records}, facts=facts)

    def save_coverage(self, scope: str, change: Change) -> None:
        """Add a change in one transaction, whose lock makes reading a block and writing it one step."""
        with self._database.writing() as connection:
            for number, block in change.processed.items():
                _add_bits(connection, scope, number, block)
            connection.executemany(
                "REPLACE INTO open_execution VALUES (?, ?, ?)",
                [(scope, record.execution_id, _encode(record).decode()) for record in change.pending],
            )
            connection.executemany(
                "DELETE FROM open_execution WHERE scope = ? AND execution_id = ?",
                [(scope, execution_id) for execution_id in change.resolved],
            )
            if change.facts is not None:
                facts = _encode(change.facts).decode()
                connection.execute("REPLACE INTO coverage_facts VALUES (?, ?)", (scope, facts))
            if change.forgotten_below is not None:
                connection.execute("DELETE FROM settled WHERE scope = ? AND block < ?", (scope, change.forgotten_below))

    def facts(self) -> dict[str, Facts]:
        """Return the facts of every scope."""
        with explained(self._database.location):
            connection = self._database.reader()
            rows = (
                [] if connection is None else connection.execute("SELECT scope, facts FROM coverage_facts").fetchall()
            )
        return {scope: msgspec.json.decode(facts, type=Facts) for scope, facts in rows}

    def drop_coverage(self, scope: str) -> None:
        """Delete the coverage of a scope."""
        with self._database.writing() as connection:
            for table in ("settled", "open_execution", "coverage_facts"):
                connection.execute(f"DELETE FROM {table} WHERE scope = ?", (scope,))  # noqa: S608 - constants

    def take_lease(self, name: str, *, holder: str, now: datetime, until: datetime) -> str:
        """Take or renew a lease."""
        with self._database.writing() as connection:
            row = connection.execute("SELECT holder, until FROM lease WHERE name = ?", (name,)).fetchone()
            if row is not None and row[0] != holder and row[1] > to_milliseconds(now):
                if row[1] > to_milliseconds(until):
                    connection.execute("UPDATE lease SET until = ? WHERE name = ?", (to_milliseconds(until), name))
                return str(row[0])
            connection.execute("REPLACE INTO lease VALUES (?, ?, ?)", (name, holder, to_milliseconds(until)))
        return holder

    def drop_lease(self, name: str, *, holder: str) -> None:
        """Release a lease."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM lease WHERE name = ? AND holder = ?", (name, holder))

    def leases(self) -> list[LeaseRecord]:
        """Return all leases, by name."""
        with explained(self._database.location):
            connection = self._database.reader()
            rows = [] if connection is None else connection.execute("SELECT name, holder, until FROM lease").fetchall()
        return [LeaseRecord(name=name, holder=holder, until=to_instant(until)) for name, holder, until in sorted(rows)]

    def add_run(self, run: Run) -> None:
        """Save a run."""
        with self._database.writing() as connection:
            row = (run.run_id, to_milliseconds(run.began_at), _encode(run).decode())
            connection.execute("REPLACE INTO run VALUES (?, ?, ?)", row)
            connection.execute(
                "DELETE FROM run WHERE run_id IN"
                " (SELECT run_id FROM run ORDER BY began_at DESC, run_id DESC LIMIT -1 OFFSET ?)",
                (KEPT_RUNS,),
            )

    def runs(self, limit: int | None = None) -> list[Run]:
        """Return the saved runs, newest first."""
        with explained(self._database.location):
            connection = self._database.reader()
            if connection is None:
                return []
            rows = connection.execute(
                "SELECT record FROM run ORDER BY began_at DESC, run_id DESC LIMIT ?", (-1 if limit is None else limit,)
            ).fetchall()
        return [msgspec.json.decode(record, type=Run) for (record,) in rows]


def _add_bits(connection: sqlite3.Connection, scope: str, number: int, block: Block) -> None:
    row = connection.execute(
        "SELECT bits, latest_started_at FROM settled WHERE scope = ? AND block = ?", (scope, number)
    ).fetchone()
    stored = Block() if row is None else Block(int.from_bytes(row[0], "little"), row[1])
    merged = merge_blocks(stored, block)
    bits = merged.bits.to_bytes(BLOCK // 8, "little")
    connection.execute("REPLACE INTO settled VALUES (?, ?, ?, ?)", (scope, number, bits, merged.latest_started_at))
