"""The campaign of a message: its ``callbackData``, or one key of it when that is a JSON object."""

from __future__ import annotations

import msgspec


def campaign_of(callback_data: str | None, key: str | None) -> str | None:
    """Return the campaign in a label; None when it names none.

    Without a key, and for a label that is not a JSON object, the label itself is the campaign. Otherwise it is the
    value under the key: a text, or a number or boolean as JSON writes it (``7``, ``1.5``, ``true``). Null, lists,
    objects and the empty text are no campaign.
    """
    if callback_data is None or key is None or not callback_data.lstrip().startswith("{"):
        return callback_data
    try:
        value = msgspec.json.decode(callback_data, type=dict[str, msgspec.Raw]).get(key, b"null")
        written = bytes(value).decode().strip()
        if written.startswith('"'):
            return msgspec.json.decode(written, type=str) or None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return callback_data
    return None if written == "null" or written[0] in "{[" else written
