"""A forged status, webhook, answer and refusal, as a person would write them into a message or a form."""

from __future__ import annotations

from typing import Any

STATUS = {"id": "wamid.A", "status": "failed", "timestamp": "1795355100", "recipient_id": "966500000066"}
VALUE: dict[str, Any] = {
    "messaging_product": "whatsapp",
    "metadata": {"display_phone_number": "15550000066", "phone_number_id": "200000000000066"},
    "statuses": [STATUS],
}
ENVELOPE = {
    "object": "whatsapp_business_account",
    "entry": [{"id": "1", "changes": [{"field": "messages", "value": VALUE}]}],
}
ANSWER = {
    "messaging_product": "whatsapp",
    "contacts": [{"input": "966500000066", "wa_id": "966500000066"}],
    "messages": [{"id": "wamid.A", "message_status": "accepted"}],
}
REFUSAL = {"error": {"message": "(#131049) x", "type": "OAuthException", "code": 131049, "fbtrace_id": "A"}}
