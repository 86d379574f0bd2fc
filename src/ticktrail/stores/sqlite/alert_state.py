"""Alert state in a SQLite store; :class:`~ticktrail.stores.alert_state.AlertState` documents every method."""

from __future__ import annotations

from datetime import datetime

from ticktrail.stores.alert_state import AlertRecord, Notice
from ticktrail.stores.sqlite.connection import transaction
from ticktrail.stores.sqlite.database import Database
from ticktrail.stores.sqlite.errors import explained
from ticktrail.stores.sqlite.rows import bindable, to_instant, to_milliseconds


class SqliteAlertState:
    """Alert state in two tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[AlertRecord]:
        """Return all records, by key."""
        with explained(self._database.location):
            connection = self._database.reader()
            if connection is None:
                return []
            with transaction(connection, "DEFERRED"):
                told: dict[str, dict[str, Notice]] = {}
                for key, channel, told_at, over_at in connection.execute(
                    "SELECT key, channel, told_at, over_at FROM alert_notice"
                ):
                    told.setdefault(key, {})[channel] = Notice(told_at=to_instant(told_at), over_at=_instant(over_at))
                rows = connection.execute(
                    "SELECT key, kind, title, first_seen_at, last_seen_at, resolved_at, acknowledged_at, "
                    "acknowledged_by, note FROM alert ORDER BY key"
                ).fetchall()
        return [
            AlertRecord(
                key=key,
                kind=kind,
                title=title,
                first_seen_at=to_instant(first),
                last_seen_at=to_instant(last),
                resolved_at=_instant(resolved),
                acknowledged_at=_instant(acknowledged),
                acknowledged_by=by,
                note=note,
                told=told.get(key, {}),
            )
            for key, kind, title, first, last, resolved, acknowledged, by, note in rows
        ]

    def record_firing(self, key: str, kind: str, title: str, *, at: datetime) -> None:
        """Record that an alert fires."""
        now = to_milliseconds(at)
        with self._database.writing() as connection:
            continued = connection.execute(
                "UPDATE alert SET title = ?, last_seen_at = MAX(last_seen_at, ?) WHERE key = ? AND resolved_at IS NULL",
                (bindable(title), now, key),
            ).rowcount
            if not continued:
                connection.execute("DELETE FROM alert_notice WHERE key = ?", (key,))
                connection.execute(
                    "REPLACE INTO alert (key, kind, title, first_seen_at, last_seen_at) VALUES (?, ?, ?, ?, ?)",
                    (key, kind, bindable(title), now, now),
                )

    def resolve(self, key: str, *, at: datetime) -> None:
        """Record that an alert is resolved."""
        self._do("UPDATE alert SET resolved_at = ? WHERE key = ? AND resolved_at IS NULL", (to_milliseconds(at), key))

    def record_notice(self, key: str, channel: str, *, at: datetime, over: bool = False) -> None:
        """Record that a channel was notified."""
        now = to_milliseconds(at)
        with self._database.writing() as connection:
            if over:
                connection.execute(
                    "UPDATE alert_notice SET over_at = ? WHERE key = ? AND channel = ?", (now, key, channel)
                )
                return
            connection.execute(
                "REPLACE INTO alert_notice (key, channel, told_at) SELECT key, ?, ? FROM alert WHERE key = ?",
                (channel, now, key),
            )

    def acknowledge(self, key: str, *, at: datetime, by: str | None = None, note: str | None = None) -> bool:
        """Acknowledge a firing alert."""
        texts = [None if text is None else bindable(text) for text in (by, note)]
        return bool(
            self._do(
                "UPDATE alert SET acknowledged_at = ?, acknowledged_by = ?, note = ? "
                "WHERE key = ? AND resolved_at IS NULL",
                (to_milliseconds(at), *texts, key),
            )
        )

    def unacknowledge(self, key: str) -> bool:
        """Remove the acknowledgement of an alert."""
        return bool(
            self._do(
                "UPDATE alert SET acknowledged_at = NULL, acknowledged_by = NULL, note = NULL "
                "WHERE key = ? AND resolved_at IS NULL AND acknowledged_at IS NOT NULL",
                (key,),
            )
        )

    def forget(self, *, resolved_before: datetime) -> None:
        """Delete the records of alerts that were resolved before a time."""
        long_ago = (to_milliseconds(resolved_before),)
        with self._database.writing() as connection:
            connection.execute(
                "DELETE FROM alert_notice WHERE key IN (SELECT key FROM alert WHERE resolved_at < ?)", long_ago
            )
            connection.execute("DELETE FROM alert WHERE resolved_at < ?", long_ago)

    def _do(self, statement: str, parameters: tuple[object, ...]) -> int:
        """Execute one statement. Returns the number of rows it changed."""
        with self._database.writing() as connection:
            return connection.execute(statement, parameters).rowcount


def _instant(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else to_instant(milliseconds)
