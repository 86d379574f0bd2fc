"""Open the sources that the settings or ``--from`` name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ticktrail.settings.settings import N8nSettings, Settings
from ticktrail.sources import Source

if TYPE_CHECKING:
    from ticktrail.sources.n8n_api.api import N8nApi
    from ticktrail.sources.n8n_api.http import RetryPolicy
    from ticktrail.sources.n8n_database.executions import N8nDatabase


def open_sources(place: str, settings: Settings) -> list[Source]:
    """Return the sources that ``--from`` names: one per workflow of the settings for ``n8n``, else an export.

    Raises:
        ConfigurationError: n8n is not configured, or there is nothing at that path.
    """
    if place != "n8n":
        from ticktrail.sources.files.export import Export  # noqa: PLC0415 - loads when chosen

        return [Export(place)]
    settings.require_n8n()
    from ticktrail.sources.n8n_api.api import BRIEF  # noqa: PLC0415 - the HTTP client loads when chosen

    return [open_workflow(settings, workflow_id, BRIEF) for workflow_id in settings.workflow_ids]


def open_workflow(settings: Settings, workflow_id: str, retry: RetryPolicy) -> N8nApi | N8nDatabase:
    """Return the executions of one workflow: from n8n's database where ``N8N_DATABASE_URL`` is set, else from its API.

    With both, the API is asked for executions whose data the database does not hold, such as those in S3.

    Raises:
        ConfigurationError: the database cannot be opened with what is installed.
    """
    n8n = settings.n8n
    if n8n.database_url is not None:
        from ticktrail.sources.n8n_database.connection import open_database  # noqa: PLC0415 - the driver loads when chosen
        from ticktrail.sources.n8n_database.executions import N8nDatabase  # noqa: PLC0415 - loads when chosen

        database = open_database(n8n.database_url.reveal(), n8n.database_schema)
        api = _open_api(n8n, workflow_id, retry) if n8n.base_url and n8n.api_key else None
        return N8nDatabase(database, workflow_id, prefix=n8n.database_table_prefix, elsewhere=api)
    return _open_api(n8n, workflow_id, retry)


def _open_api(n8n: N8nSettings, workflow_id: str, retry: RetryPolicy) -> N8nApi:
    from ticktrail.sources.n8n_api.api import N8nApi  # noqa: PLC0415 - the HTTP client loads when chosen

    return N8nApi(n8n, workflow_id, retry_policy=retry)
