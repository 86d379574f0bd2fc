"""Call a heartbeat URL after each good sync, so that a monitor notices when syncs stop."""

from __future__ import annotations

import httpx2

from ticktrail import __version__
from ticktrail.settings.secret import Secret

_SECONDS = 10.0


def beat(url: Secret, *, transport: httpx2.BaseTransport | None = None) -> str | None:
    """Call a heartbeat URL. Returns None, or what failed, in a sentence without the secret part of the URL."""
    try:
        with httpx2.Client(
            timeout=_SECONDS,
            headers={"user-agent": f"ticktrail/{__version__}"},
            follow_redirects=True,
            transport=transport,
        ) as client:
            response = client.get(url.reveal())
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        return f"The heartbeat to {url} failed: {type(error).__name__}. The sync itself succeeded."
    if response.is_success:
        return None
    return f"The heartbeat to {url} was answered with {response.status_code}. The sync itself succeeded."
