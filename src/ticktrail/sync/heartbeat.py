"""Tells a monitor that a sync came through: whoever watches the watcher notices when the calls stop."""

from __future__ import annotations

import httpx2

from ticktrail import __version__
from ticktrail.settings.secret import Secret

_SECONDS = 10.0


def beat(url: Secret, *, transport: httpx2.BaseTransport | None = None) -> str | None:
    """Call a heartbeat URL. Returns what went wrong, in a sentence without the URL's secret part, or None."""
    try:
        with httpx2.Client(
            timeout=_SECONDS,
            headers={"user-agent": f"ticktrail/{__version__}"},
            follow_redirects=True,
            transport=transport,
        ) as client:
            answer = client.get(url.reveal())
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        return f"The heartbeat to {url} was not heard: {type(error).__name__}. The sync itself came through."
    if answer.is_success:
        return None
    return f"The heartbeat to {url} was answered with {answer.status_code}. The sync itself came through."
