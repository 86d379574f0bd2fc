"""A message as the API answers it, invented, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

_PERSON = "966500000054"
_TOLD = (("sent", 1_795_355_171, "2026-11-22 16:46", "1041"), ("delivered", 1_795_355_174, "2026-11-22 16:46", "1042"))
_MET_AT = "2026-11-22T16:46:20+03:00"

EXAMPLE: dict[str, Any] = {
    "messageId": "wamid.HBgMOTY2NTAwMDAwMDU0FQIAERgSNEQ2",
    "conversation_id": _PERSON,
    "latestStatus": "delivered",
    "latestTimestamp": _TOLD[-1][1],
    "latestTimestampFormatted": _TOLD[-1][2],
    "statusHistory": [
        {
            "status": status,
            "timestamp": timestamp,
            "timestampFormatted": formatted,
            "executionId": execution_id,
            "conversation_id": _PERSON,
        }
        for status, timestamp, formatted, execution_id in _TOLD
    ],
    "workflowId": "bcHn4wXXcVuTsjYB",
    "statusCount": len(_TOLD),
    "firstSeenAt": _MET_AT,
    "lastUpdatedAt": _MET_AT,
    "lastScannedAt": _MET_AT,
    "sentTimestamp": _TOLD[0][1],
    "deliveredTimestamp": _TOLD[1][1],
    "firstTimestamp": _TOLD[0][1],
}
