"""Hints for statistics that are empty or unknown: why, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Collection

from ticktrail.messages.filters import Grouping

_CAMPAIGN = (
    "No message has a campaign label. Meta returns biz_opaque_callback_data of a send with every status. "
    " n8n's WhatsApp node cannot set it. An HTTP Request node can: POST to "
    "https://graph.facebook.com/v24.0/PHONE_NUMBER_ID/messages with this body:"
)
_BODY = (
    '  {"messaging_product": "whatsapp", "to": "…",',
    '   "type": "template", "template": {…},',
    '   "biz_opaque_callback_data": "spring-offer"}',
)
_SENDS = (
    "Statuses do not name the template or the workflow that sent the message. Ticktrail reads both from the executions "
    "of the sending workflow: add its id to WORKFLOW_ID_WHATSAPP, let n8n save its executions (in the workflow's "
    "settings), and type: ticktrail sync"
)
_PRICING = (
    "No status has pricing. Meta sends it with “sent” and with one of “delivered” and “read”: let the trigger "
    "pass these (WhatsApp Trigger, Options, Receive Message Status Updates)."
)
_NUMBER = (
    "No message has the number it was sent from. The number is in the webhook's metadata: pass the trigger's output "
    "on unchanged."
)

_EMPTY: dict[Grouping, tuple[str, ...]] = {
    Grouping.DAY: ("No message has a time.",),
    Grouping.HOUR: ("No message has a time.",),
    Grouping.USER: ("No message has a recipient.",),
    Grouping.ERROR: ("No message failed.",),
    Grouping.CATEGORY: (_PRICING,),
    Grouping.TEMPLATE: (_SENDS,),
    Grouping.SENDER: (_SENDS,),
    Grouping.CAMPAIGN: (_CAMPAIGN, *_BODY),
    Grouping.NUMBER: (_NUMBER,),
    Grouping.COUNTRY: ("No message has a recipient whose phone number is known.",),
    Grouping.WORKFLOW: ("No message has the workflow that received it.",),
}


def empty_grouping(by: Grouping, *, messages: int) -> tuple[str, ...]:
    """Return why there are no groups, and how to get some; one paragraph each."""
    if not messages:
        return ("There are no messages in this period.",)
    return _EMPTY[by]


def never_passed(statuses: Collection[str]) -> tuple[str, ...]:
    """Return why some rates are a dash, and what to change; one paragraph each."""
    if not statuses:
        return ()
    named = " and ".join(f"“{status}”" for status in sorted(statuses))
    cure = "n8n's WhatsApp Trigger has a filter: Options, Receive Message Status Updates. Choose All."
    if set(statuses) == {"failed"}:
        return (f"{named} never came. Either no message failed so far, or the trigger does not pass it.", cure)
    return (f"{named} never came, so the trigger seems not to pass {'it' if len(statuses) == 1 else 'them'}.", cure)
