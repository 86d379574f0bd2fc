"""Executions of one workflow from n8n's database, in the form that n8n's API gives them.

The same requests as :class:`~ticktrail.sources.n8n_api.api.N8nApi`: a list without data that is complete, and the data
of single executions. ``data`` stays in n8n's ``flatted`` form, which extraction decodes. Column names differ between
n8n 1.27 and 2.41, so they are looked up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from ticktrail.errors import SourceRefusedError
from ticktrail.sources import LARGEST_EXECUTION, Page, WithheldExecution
from ticktrail.sources.n8n_api.responses import ExecutionSummary, FetchedPage, MetadataPage, RawRow
from ticktrail.sources.n8n_database.connection import Database, Row, SqliteDatabase

_ROWS = 1_000
_DATA_ROWS = 200
_LIST_COLUMNS = ("id", "status", "startedAt", "stoppedAt", "mode", "workflowId", "finished")
_OPTIONAL_COLUMNS = ("waitTill", "retryOf", "createdAt", "deletedAt", "storedAt")
_WORKFLOW_COLUMNS = ("id", "name", "active", "isArchived", "nodes", "settings", "versionId", "activeVersionId")
_IN_FILE_SYSTEM = "fs"


class N8nDatabase:
    """The executions of one workflow in n8n's database.

    Args:
        database: an open database; closed with this object.
        prefix: n8n's ``DB_TABLE_PREFIX``.
    """

    def __init__(self, database: Database, workflow_id: str, *, prefix: str = "") -> None:
        self.workflow_id = workflow_id
        self.location = f"{database.location}, workflow {workflow_id}"
        self.requests = 0
        self._database = database
        self._entity, self._data = f"{prefix}execution_entity", f"{prefix}execution_data"
        self._workflow = f"{prefix}workflow_entity"
        self._columns: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        return f"N8nDatabase({self.location!r})"

    def pages(self, *, limit: int | None = None) -> Iterator[Page]:
        """All executions, or the newest ``limit`` of them; see :class:`~ticktrail.sources.Source`."""
        below: int | None = None
        left = limit
        while left is None or left > 0:
            listed = self.metadata(below, _ROWS if left is None else min(left, _ROWS))
            yield from self.fetch(listed, {row.id for row in listed.rows})
            if not listed.more or not listed.rows:
                return
            below = listed.rows[-1].id
            left = None if left is None else left - len(listed.rows)

    def metadata(self, below: int | None = None, limit: int = _ROWS) -> MetadataPage:
        """The newest executions with an id below ``below``, without their data, soft-deleted ones included.

        Raises:
            SourceRefusedError: n8n has no such workflow.
        """
        bound = "" if below is None else ' AND "id" < ?'
        values: list[Any] = [self.workflow_id, *([] if below is None else [below])]
        rows = self._read(
            f'SELECT {self._names()} FROM "{self._entity}" WHERE "workflowId" = ?{bound}'  # noqa: S608 - quoted names
            f' ORDER BY "id" DESC LIMIT {int(limit) + 1}',
            values,
        )
        if below is None and not rows:
            self.require_workflow()
        summaries = tuple(self._summary(row) for row in rows[:limit])
        return MetadataPage(rows=summaries, more=len(rows) > limit)

    def fetch(self, listed: MetadataPage, wanted: Collection[int]) -> Iterator[FetchedPage]:
        """The data of some executions of a page, each either there or named as withheld."""
        numbers = [row.id for row in listed.rows if row.id in wanted]
        for start in range(0, len(numbers), _DATA_ROWS):
            yield self._fetch(numbers[start : start + _DATA_ROWS])

    def single(self, execution_id: int) -> RawRow | WithheldExecution | None:
        """One execution, or why its data cannot be read; None when n8n has deleted it."""
        page = self._fetch([execution_id])
        if page.withheld:
            return page.withheld[0]
        if not page.executions:
            return None
        return RawRow(id=execution_id, raw=page.executions[0], withheld=False, has_status=True)

    def require_workflow(self) -> None:
        """Raise SourceRefusedError when n8n has no such workflow."""
        if not self._read(f'SELECT 1 FROM "{self._workflow}" WHERE "id" = ?', [self.workflow_id]):  # noqa: S608
            raise SourceRefusedError(
                f"n8n has no workflow {self.workflow_id}.",
                remedy="Set WORKFLOW_ID_WHATSAPP to the id in its address, …/workflow/ID, or type: ticktrail init",
            )

    def workflow(self) -> dict[str, Any]:
        """The workflow itself, as n8n's API gives it: name, nodes, settings.

        Raises:
            SourceRefusedError: n8n does not have it.
        """
        there = self._database.columns(self._workflow)
        names = [name for name in _WORKFLOW_COLUMNS if name in there]
        columns = ", ".join(f'"{name}"' for name in names)
        rows = self._read(f'SELECT {columns} FROM "{self._workflow}" WHERE "id" = ?', [self.workflow_id])  # noqa: S608
        if not rows:
            self.require_workflow()
        found = dict(zip(names, rows[0], strict=True))
        for name in ("nodes", "settings", "connections"):
            if isinstance(found.get(name), str):
                found[name] = msgspec.json.decode(found[name])
        return {**found, "active": bool(found.get("active"))}

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, statement: str, values: Sequence[Any]) -> list[Row]:
        self.requests += 1
        return self._database.read(statement, values)

    def _names(self, table: str = "") -> str:
        """The columns of the list that this n8n has, quoted.

        Raises:
            SourceRefusedError: it is not n8n's database.
        """
        if self._columns is None:
            there = self._database.columns(self._entity)
            missing = [name for name in ("id", "workflowId", "startedAt") if name not in there]
            if missing:
                raise SourceRefusedError(
                    f"{self._database.location} has no table {self._entity} of n8n's.",
                    remedy="Check N8N_DATABASE_URL, N8N_DATABASE_SCHEMA and N8N_DATABASE_TABLE_PREFIX.",
                )
            self._columns = tuple(name for name in (*_LIST_COLUMNS, *_OPTIONAL_COLUMNS) if name in there)
        return ", ".join(f'{table}"{name}"' for name in self._columns)

    def _record(self, row: Row) -> dict[str, Any]:
        assert self._columns is not None  # noqa: S101 - rows come after the columns
        return dict(zip(self._columns, row, strict=False))

    def _summary(self, row: Row) -> ExecutionSummary:
        record = self._record(row)
        return ExecutionSummary(
            id=int(record["id"]),
            status=record.get("status"),
            started_at=_iso(record.get("startedAt")),
            stopped_at=_iso(record.get("stoppedAt")),
            mode=record.get("mode"),
            workflow_id=str(record["workflowId"]),
            finished=bool(record.get("finished")),
        )

    def _fetch(self, numbers: list[int]) -> FetchedPage:
        marks = ", ".join("?" * len(numbers))
        rows = self._read(
            f'SELECT {self._names("e.")}, d."data", d."workflowData" FROM "{self._entity}" e'  # noqa: S608 - quoted names
            f' LEFT JOIN "{self._data}" d ON d."executionId" = e."id" WHERE e."id" IN ({marks})'
            ' ORDER BY e."id" DESC',
            numbers,
        )
        executions: list[bytes] = []
        ids: list[int] = []
        withheld: list[WithheldExecution] = []
        for row in rows:
            record, data, workflow = self._record(row), row[-2], row[-1]
            number = int(record["id"])
            if data is None and record.get("storedAt") == _IN_FILE_SYSTEM:
                data, workflow = self._bundle(str(record["workflowId"]), number)
            if data is None:
                withheld.append(WithheldExecution(id=number, reason="no_data"))
            elif len(data) > LARGEST_EXECUTION:
                withheld.append(WithheldExecution(id=number, reason="too_large"))
            else:
                executions.append(_encode(record, data, workflow))
                ids.append(number)
        size = sum(map(len, executions))
        return FetchedPage(executions=tuple(executions), ids=tuple(ids), withheld=tuple(withheld), size=size)

    def _bundle(self, workflow_id: str, number: int) -> tuple[str | None, Any]:
        """Data that n8n keeps in files beside its database; None where it cannot be read.

        See: ``N8N_EXECUTION_DATA_STORAGE_MODE=filesystem`` in n8n's documentation.
        """
        if not isinstance(self._database, SqliteDatabase):
            return None, None
        folder = self._database.path.parent / "storage" / "workflows" / workflow_id / "executions" / str(number)
        try:
            text = Path(folder / "execution_data" / "bundle.json").read_bytes()
            bundle = msgspec.json.decode(text, type=dict[str, Any])
        except (OSError, msgspec.DecodeError, UnicodeError, RecursionError):
            return None, None
        data = bundle.get("data")
        return (data, bundle.get("workflowData")) if isinstance(data, str) else (None, None)


def _encode(record: dict[str, Any], data: object, workflow: object) -> bytes:
    """An execution as n8n's API writes it, with ``data`` still in n8n's flatted form."""
    return msgspec.json.encode(
        {
            "id": str(record["id"]),
            "finished": bool(record.get("finished")),
            "mode": record.get("mode"),
            "retryOf": record.get("retryOf"),
            "status": record.get("status"),
            "startedAt": _iso(record.get("startedAt")),
            "stoppedAt": _iso(record.get("stoppedAt")),
            "workflowId": str(record["workflowId"]),
            "waitTill": _iso(record.get("waitTill")),
            "data": data,
            "workflowData": workflow,
        }
    )


def _iso(value: object) -> str | None:
    """A time of n8n's database as its API writes it: ISO 8601 in UTC with milliseconds.

    SQLite holds ``2026-11-22 14:03:01.123`` in UTC, PostgreSQL gives a datetime.
    """
    if value is None:
        return None
    if isinstance(value, datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = str(value).strip().replace(" ", "T")
    return text if text.endswith("Z") else f"{text}Z"
