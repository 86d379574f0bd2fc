"""Open the sources that the settings or ``--from`` name."""

from __future__ import annotations

from ticktrail.settings.settings import Settings
from ticktrail.sources import Source


def open_sources(place: str, settings: Settings) -> list[Source]:
    """Return the sources that ``--from`` names: one per workflow of the settings for ``n8n``, else an export.

    Raises:
        ConfigurationError: n8n is not configured, or there is nothing at that path.
    """
    if place != "n8n":
        from ticktrail.sources.files.export import Export  # noqa: PLC0415 - loads when chosen

        return [Export(place)]
    n8n = settings.require_n8n()
    from ticktrail.sources.n8n_api.api import BRIEF, N8nApi  # noqa: PLC0415 - the HTTP client loads when chosen

    return [N8nApi(n8n, workflow_id, retry_policy=BRIEF) for workflow_id in settings.workflow_ids]
