"""Webhook bodies as Meta sends them, with invented numbers and message ids of their own."""

from __future__ import annotations

import itertools
import secrets
from typing import Any

RECIPIENT = "966500000001"
PHONE_NUMBER_ID = "106540352242922"
DISPLAY_PHONE_NUMBER = "15550783881"

# Every status gets a second of its own, so that no test depends on the order within one.
_timestamps = itertools.count(1767106900)


def new_message_id() -> str:
    """A message id that no other call returns."""
    return f"wamid.LAB{secrets.token_hex(8).upper()}"


def status(
    name: str,
    message_id: str | None = None,
    *,
    recipient: str = RECIPIENT,
    **more: Any,
) -> dict[str, Any]:
    """One status object: ``sent``, ``delivered``, ``read`` … of a message, a new one unless named."""
    return {
        "id": message_id or new_message_id(),
        "status": name,
        "timestamp": str(next(_timestamps)),
        "recipient_id": recipient,
        **more,
    }


def failed(
    message_id: str | None = None,
    *,
    code: int = 131026,
    recipient: str = RECIPIENT,
) -> dict[str, Any]:
    """A ``failed`` status with the error that Meta gives as its reason."""
    error = {"code": code, "title": "Message undeliverable", "message": "Message undeliverable"}
    return status("failed", message_id, recipient=recipient, errors=[error])


def change(*statuses: dict[str, Any]) -> dict[str, Any]:
    """One change that reports these statuses."""
    return {
        "field": "messages",
        "value": {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": DISPLAY_PHONE_NUMBER, "phone_number_id": PHONE_NUMBER_ID},
            "statuses": list(statuses),
        },
    }


def body(*statuses: dict[str, Any]) -> dict[str, Any]:
    """A webhook body with one entry and one change."""
    return body_of_changes(change(*statuses))


def body_of_changes(*changes: dict[str, Any]) -> dict[str, Any]:
    """A webhook body with one entry and these changes."""
    entry = {"id": "102290129340398", "changes": list(changes)}
    return {"object": "whatsapp_business_account", "entry": [entry]}
