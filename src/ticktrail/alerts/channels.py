"""Send one notice to one channel: a service that Apprise supports, or the user's own webhook.

A webhook receives JSON by POST. With a secret it is signed: ``X-Ticktrail-Signature`` is ``sha256=`` and the
HMAC-SHA256 in hexadecimal of the time in ``X-Ticktrail-Timestamp``, a dot, and the body as it was sent.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import time
import warnings
from typing import Any, Literal

import httpx2
import msgspec

from ticktrail import __version__
from ticktrail.settings.channels import Channel
from ticktrail.settings.optional_packages import install_command
from ticktrail.settings.secret import Secret

_SECONDS = 10.0


Tone = Literal["failure", "warning", "success", "info"]


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """Notification as a channel sends it.

    Attributes:
        event: ``alert.firing``, ``alert.reminder``, ``alert.resolved``, ``report`` or ``test``.
        notice_id: the same when a notice is sent again because it may not have arrived.
        document: for programs; ``title`` and ``body`` are for people.
    """

    event: str
    notice_id: str
    title: str
    body: str
    tone: Tone = "info"
    document: dict[str, Any] = {}


def deliver(channel: Channel, notice: Notification) -> str | None:
    """Send a notice. Returns why it failed, in a sentence without secrets, or None."""
    return _post(channel, notice) if channel.kind == "webhook" else _apprise(channel, notice)


def signature(secret: Secret, timestamp: int, body: bytes) -> str:
    """Return the value of ``X-Ticktrail-Signature`` for a body."""
    signed = b"%d." % timestamp + body
    return "sha256=" + hmac.new(secret.reveal().encode(), signed, hashlib.sha256).hexdigest()


def _post(channel: Channel, notice: Notification) -> str | None:
    timestamp = int(time.time())
    body = msgspec.json.encode(
        {
            "version": 1,
            "event": notice.event,
            "id": notice.notice_id,
            "sentAt": timestamp,
            "title": notice.title,
            "text": notice.body,
            **notice.document,
        }
    )
    headers = {
        "content-type": "application/json",
        "user-agent": f"ticktrail/{__version__}",
        "x-ticktrail-event": notice.event,
        "x-ticktrail-id": notice.notice_id,
        "x-ticktrail-timestamp": str(timestamp),
    }
    if channel.secret is not None:
        headers["x-ticktrail-signature"] = signature(channel.secret, timestamp, body)
    try:
        # Redirects are not followed: what is signed is for one address.
        with httpx2.Client(timeout=_SECONDS, headers=headers, follow_redirects=False) as client:
            answer = client.post(channel.url.reveal(), content=body)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        return f"{channel.name} ({channel.url}) was not reached: {type(error).__name__}."
    if answer.is_success:
        return None
    return f"{channel.name} ({channel.url}) answered with {answer.status_code}."


def _apprise(channel: Channel, notice: Notification) -> str | None:
    with warnings.catch_warnings():
        # It loads its plugins late, and what they warn of is its makers' business.
        warnings.simplefilter("ignore")
        try:
            import apprise  # noqa: PLC0415 - an extra that few need
        except ImportError:
            remedy = f"Type: {install_command('alerts')}"
            return f"{channel.name} ({channel.url}) needs Apprise, which is not installed. {remedy}"
        # Its log holds URLs, and tokens in them.
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        asset = apprise.AppriseAsset(app_id="Ticktrail", app_desc="Ticktrail", app_url="", async_mode=False)
        service = apprise.Apprise(asset=asset)
        if not service.add(channel.url.reveal()):
            unknown = "Apprise does not understand this URL. Its wiki has one for each service."
            return f"{channel.name} ({channel.url}): {unknown}"
        try:
            arrived = service.notify(
                title=notice.title, body=notice.body, notify_type=notice.tone, body_format=apprise.NotifyFormat.TEXT
            )
        except Exception as error:  # noqa: BLE001 - plugins raise anything
            return f"{channel.name} ({channel.url}) was not reached: {type(error).__name__}."
    return None if arrived else f"{channel.name} ({channel.url}) did not take the message."


def safe_id(text: str) -> str:
    """Replace characters that a header may not contain."""
    return re.sub(r"[^A-Za-z0-9._:-]", "_", text)[:120]
