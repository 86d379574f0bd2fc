"""Meta's webhooks as a business's app receives them: bodies and signatures, with invented numbers."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

APP_SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - invented
METADATA = {"display_phone_number": "15550000001", "phone_number_id": "200000000000001"}


def envelope(*values: dict[str, Any], field: str = "messages") -> bytes:
    """A webhook body with one change per value."""
    changes = [{"field": field, "value": value} for value in values]
    return json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]}).encode()


def status(message_id: str, name: str = "sent", timestamp: int = 1_795_355_171) -> dict[str, Any]:
    """One status object."""
    return {"id": message_id, "status": name, "timestamp": str(timestamp), "recipient_id": "966500000001"}


def status_value(*statuses: dict[str, Any], number: str = METADATA["phone_number_id"]) -> dict[str, Any]:
    """A value that holds statuses alone."""
    return {
        "messaging_product": "whatsapp",
        "metadata": {**METADATA, "phone_number_id": number},
        "statuses": list(statuses),
    }


def message_value(text: str = "hello", number: str = METADATA["phone_number_id"]) -> dict[str, Any]:
    """A value that holds a user's message."""
    return {
        "messaging_product": "whatsapp",
        "metadata": {**METADATA, "phone_number_id": number},
        "contacts": [{"profile": {"name": "A user"}, "wa_id": "966500000001"}],
        "messages": [{"id": "wamid.IN", "from": "966500000001", "type": "text", "text": {"body": text}}],
    }


def signature(body: bytes, secret: str = APP_SECRET) -> str:
    """Meta's ``X-Hub-Signature-256`` of a body."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
