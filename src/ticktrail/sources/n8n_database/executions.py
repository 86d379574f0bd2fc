"""Executions of one workflow from n8n's database, in the form that n8n's API gives them.

The same requests as :class:`~ticktrail.sources.n8n_api.api.N8nApi`: a list without data that is complete, and the data
of single executions, still in n8n's ``flatted`` form, which extraction reads. Column names differ between n8n 1.27 and
2.41, so they are looked up.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Collection, Iterator, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from ticktrail.errors import SourceRefusedError, SourceUnavailableError
from ticktrail.sources import LARGEST_EXECUTION, Page, WithheldExecution
from ticktrail.sources.n8n_api.responses import FetchedPage, MetadataPage, RawRow
from ticktrail.sources.n8n_database.connection import Database, Row, SqliteDatabase
from ticktrail.sources.n8n_database.rows import OPTIONAL, REQUIRED, Record, execution_json, summary
from ticktrail.sources.n8n_database.workflows import read_workflow
from ticktrail.text.json_decoding import decode_json

_LIST_ROWS = 1_000
_FEWEST_ROWS, _MOST_ROWS = 100, 1_000
_READ_BYTES = 4_000_000
_READ_SECONDS = 0.02
"""Target size and duration of a read. On SQLite's rollback journal n8n's writes wait for it, and fail after a while."""

_FEWEST_IDS, _MOST_IDS = 5_000, 10_000_000
"""Ids that one read of the list goes through: n8n has no index of all executions of a workflow."""

_IN_FILE_SYSTEM = "fs"


class SingleExecutions(Protocol):
    """Executions requested one by one; :class:`~ticktrail.sources.n8n_api.api.N8nApi` answers them."""

    def single(self, execution_id: int) -> RawRow | WithheldExecution | None:
        """Return one execution, or why it is withheld; None when n8n does not have it."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...


class N8nDatabase:
    """The executions of one workflow in n8n's database.

    Args:
        database: an open database; closed with this object.
        prefix: n8n's ``DB_TABLE_PREFIX``.
        elsewhere: reads executions whose data is neither in the database nor in a file that can be read; closed with
            this object.
    """

    fetch_ahead = False
    """A thread beside one that computes gets its rows slowly, and n8n would wait for it."""

    def __init__(
        self, database: Database, workflow_id: str, *, prefix: str = "", elsewhere: SingleExecutions | None = None
    ) -> None:
        self.workflow_id = workflow_id
        self.location = f"{database.location}, workflow {workflow_id}"
        self.requests = 0
        self._database = database
        self._elsewhere = elsewhere
        self._entity, self._data = f"{prefix}execution_entity", f"{prefix}execution_data"
        self._prefix = prefix
        self._columns: tuple[str, ...] | None = None
        self._batch = _FEWEST_ROWS
        self._span = 2 * _FEWEST_IDS
        self._seconds = _READ_SECONDS

    def __repr__(self) -> str:
        return f"N8nDatabase({self.location!r})"

    def pages(self, *, limit: int | None = None) -> Iterator[Page]:
        """All executions, or the newest ``limit`` of them; see :class:`~ticktrail.sources.Source`."""
        below: int | None = None
        left = limit
        while left is None or left > 0:
            listed = self.metadata(below, _LIST_ROWS if left is None else min(left, _LIST_ROWS))
            yield from self.fetch(listed, {row.id for row in listed.rows})
            if not listed.more or not listed.rows:
                return
            below = listed.rows[-1].id
            left = None if left is None else left - len(listed.rows)

    def unfinished(self) -> tuple[int, ...]:
        """Return nothing: the database hides nothing, so running and queued executions are in ``pages``."""
        return ()

    def metadata(self, below: int | None = None, limit: int = _LIST_ROWS) -> MetadataPage:
        """The newest executions with an id below ``below``, without their data, soft-deleted ones included.

        Raises:
            SourceRefusedError: n8n has no such workflow.
        """
        bottom, top = self._bounds()
        above = top if below is None else min(below, top)
        rows: list[Row] = []
        while len(rows) <= limit and above > bottom:
            from_id = max(above - self._span, bottom)
            rows += self._read(
                f'SELECT {self._names()} FROM "{self._entity}"'  # noqa: S608 - quoted names
                ' WHERE "id" >= ? AND "id" < ? AND "workflowId" = ?'
                f' ORDER BY "id" DESC LIMIT {int(limit) + 1 - len(rows)}',
                (from_id, above, self.workflow_id),
            )
            affordable = self._span * _READ_SECONDS / self._seconds
            self._span = max(_FEWEST_IDS, min(_MOST_IDS, 2 * self._span, int(affordable)))
            above = from_id
        if below is None and not rows:
            self.workflow()
        return MetadataPage(rows=tuple(summary(self._record(row)) for row in rows[:limit]), more=len(rows) > limit)

    def fetch(self, listed: MetadataPage, wanted: Collection[int]) -> Iterator[FetchedPage]:
        """The data of some executions of a page, each either there or named as withheld."""
        numbers = [row.id for row in listed.rows if row.id in wanted]
        while numbers:
            batch, numbers = numbers[: self._batch], numbers[self._batch :]
            page = self._fetch(batch)
            in_time = max(_FEWEST_ROWS, int(len(batch) * _READ_SECONDS / self._seconds))
            in_size = int(len(batch) * _READ_BYTES / max(page.size, 1))
            self._batch = max(1, min(_MOST_ROWS, 2 * self._batch, in_time, in_size))
            yield page

    def single(self, execution_id: int) -> RawRow | WithheldExecution | None:
        """One execution, or why its data cannot be read; None when n8n has deleted it."""
        page = self._fetch([execution_id])
        if page.withheld:
            return page.withheld[0]
        if not page.executions:
            return None
        return RawRow(id=execution_id, raw=page.executions[0], withheld=False, has_status=True)

    def workflow(self) -> dict[str, Any]:
        """The workflow itself, as n8n's API gives it: name, nodes, settings.

        Raises:
            SourceRefusedError: n8n does not have it.
        """
        return read_workflow(self._database, self.workflow_id, self._prefix)

    def close(self) -> None:
        """Close the database."""
        self._database.close()
        if self._elsewhere is not None:
            self._elsewhere.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        self.requests += 1
        began = time.perf_counter()
        rows = self._database.read(statement, values)
        self._seconds = max(time.perf_counter() - began, 1e-6)
        return rows

    def _names(self, table: str = "") -> str:
        """The columns of the list that this n8n has, quoted.

        Raises:
            SourceRefusedError: it is not n8n's database.
        """
        if self._columns is None:
            there = self._database.columns(self._entity)
            if not there.issuperset(REQUIRED):
                raise SourceRefusedError(
                    f"{self._database.location} has no table {self._entity} of n8n's.",
                    remedy="Check N8N_DATABASE_URL, N8N_DATABASE_SCHEMA and N8N_DATABASE_TABLE_PREFIX.",
                )
            self._columns = tuple(name for name in (*REQUIRED, *OPTIONAL) if name in there)
        return ", ".join(f'{table}"{name}"' for name in self._columns)

    def _bounds(self) -> tuple[int, int]:
        """The lowest execution id of all workflows, and the first one above all; both 0 when there is none."""
        ends = (f'(SELECT {end}("id") FROM "{self._entity}")' for end in ("min", "max"))  # noqa: S608 - quoted names
        self._names()
        ((lowest, highest),) = self._read(f"SELECT {', '.join(ends)}")
        return (0, 0) if lowest is None else (int(lowest), int(highest) + 1)

    def _record(self, row: Row) -> Record:
        assert self._columns is not None  # noqa: S101 - rows come after the columns
        return dict(zip(self._columns, row, strict=False))

    def _fetch(self, numbers: list[int]) -> FetchedPage:
        names = self._names("e.")
        texts = ", ".join(self._database.as_bytes(name) for name in ('d."data"', 'd."workflowData"'))
        rows = self._read(
            f'SELECT {names}, {texts} FROM "{self._entity}" e'  # noqa: S608 - quoted names
            f' LEFT JOIN "{self._data}" d ON d."executionId" = e."id"'
            f' WHERE e."id" IN ({", ".join(map(str, numbers))}) ORDER BY e."id" DESC'
        )
        executions: list[bytes] = []
        ids: list[int] = []
        withheld: list[WithheldExecution] = []
        for row in rows:
            record = self._record(row)
            found = self._execution(record, row[-2], row[-1])
            if isinstance(found, bytes):
                executions.append(found)
                ids.append(int(record["id"]))
            else:
                withheld.append(found)
        size = sum(map(len, executions))
        return FetchedPage(executions=tuple(executions), ids=tuple(ids), withheld=tuple(withheld), size=size)

    def _execution(self, record: Record, data: bytes | None, workflow: bytes | None) -> bytes | WithheldExecution:
        """Return an execution, or why its data cannot be read."""
        number = int(record["id"])
        if data is None and record.get("storedAt") == _IN_FILE_SYSTEM:
            data, workflow = self._bundle(str(record["workflowId"]), number)
        if data is None:
            return self._from_elsewhere(number) or WithheldExecution(id=number, reason="no_data")
        if len(data) > LARGEST_EXECUTION:
            return WithheldExecution(id=number, reason="too_large")
        return execution_json(record, data, workflow)

    def _from_elsewhere(self, number: int) -> bytes | None:
        """Return an execution as n8n's API gives it; None where that is not configured or does not answer."""
        if self._elsewhere is None:
            return None
        with contextlib.suppress(SourceUnavailableError, SourceRefusedError):
            found = self._elsewhere.single(number)
            return found.raw if isinstance(found, RawRow) else None
        return None

    def _bundle(self, workflow_id: str, number: int) -> tuple[bytes | None, bytes | None]:
        """Data that n8n keeps in files beside its database; None where it cannot be read.

        See: ``N8N_EXECUTION_DATA_STORAGE_MODE=filesystem`` in n8n's documentation.
        """
        if not isinstance(self._database, SqliteDatabase):
            return None, None
        folder = self._database.path.parent / "storage" / "workflows" / workflow_id / "executions" / str(number)
        try:
            bundle = decode_json((folder / "execution_data" / "bundle.json").read_bytes())
        except OSError:
            return None, None
        data = bundle.get("data") if isinstance(bundle, dict) else None
        if not isinstance(data, str):
            return None, None
        return data.encode("utf-8", "replace"), json.dumps(bundle.get("workflowData")).encode()
