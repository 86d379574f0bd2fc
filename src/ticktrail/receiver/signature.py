"""Check Meta's signature of a webhook.

See: https://developers.facebook.com/docs/graph-api/webhooks/getting-started#validate-payloads
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

_PREFIX = b"sha256="


def is_signed(body: bytes, header: bytes | None, secrets: Sequence[bytes]) -> bool:
    """Return whether one of the app secrets signed these raw bytes.

    Args:
        header: value of ``X-Hub-Signature-256``, ``sha256=`` and 64 hexadecimal digits.
        secrets: app secrets; several when several Meta apps send to this address.
    """
    if header is None or not header.startswith(_PREFIX):
        return False
    given = header.removeprefix(_PREFIX)
    # Every secret is tried, so that the time taken does not tell which one matched.
    matches = [
        hmac.compare_digest(hmac.new(secret, body, hashlib.sha256).hexdigest().encode(), given) for secret in secrets
    ]
    return any(matches)
