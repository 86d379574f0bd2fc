"""Connections of a sync: settings, store and one n8n client per workflow."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ticktrail.cli.options import open_configured_store, read_settings

if TYPE_CHECKING:
    from ticktrail.settings.settings import Settings
    from ticktrail.sources.n8n_api.api import N8nApi
    from ticktrail.sources.n8n_api.http import RetryPolicy
    from ticktrail.sources.n8n_database.executions import N8nDatabase
    from ticktrail.stores import Store


class SyncConnections:
    """Keeps connections open from one sync to the next, until the settings change.

    Attributes:
        settings: as they were read last; ``store`` and ``apis`` belong to them. Valid after :meth:`refresh`.
    """

    settings: Settings
    store: Store
    apis: list[N8nApi | N8nDatabase]

    def __init__(self, store_url: str | None, retry: RetryPolicy) -> None:
        self._store_url = store_url
        self._retry = retry
        self._stack: ExitStack | None = None
        self._was_open = False

    def refresh(self) -> None:
        """Read the settings again and reconnect where they changed, so that a new key needs no restart.

        Raises:
            ConfigurationError: a setting is missing or malformed.
        """
        from ticktrail.sources.opening import open_workflow

        settings = read_settings(self._store_url, quiet=self._was_open)
        if self._stack is not None and settings == self.settings:
            return
        self.close()
        settings.require_n8n()
        with ExitStack() as stack:
            self.store = stack.enter_context(open_configured_store(settings))
            self.apis = []
            for name in settings.workflow_ids:
                workflow = open_workflow(settings, name, self._retry)
                stack.callback(workflow.close)
                self.apis.append(workflow)
            self._stack = stack.pop_all()
        self.settings, self._was_open = settings, True

    def close(self) -> None:
        """Close all connections; :meth:`refresh` opens them again."""
        if self._stack is not None:
            self._stack.close()
            self._stack = None

    def __enter__(self) -> Self:
        self.refresh()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
