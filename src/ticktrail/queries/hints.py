"""What to do when figures cannot be told apart, or cannot be told at all: a paragraph or two for each case. Pure."""

from __future__ import annotations

from collections.abc import Collection

from ticktrail.messages.filters import Grouping

_CAMPAIGN = (
    "No message carries a campaign label. Meta returns with every status what was sent beside the message as "
    "biz_opaque_callback_data. n8n's WhatsApp node cannot set it. An HTTP Request node can: POST to "
    "https://graph.facebook.com/v24.0/PHONE_NUMBER_ID/messages with this body:"
)
_BODY = (
    '  {"messaging_product": "whatsapp", "to": "…",',
    '   "type": "template", "template": {…},',
    '   "biz_opaque_callback_data": "spring-offer"}',
)
_SENDS = (
    "Statuses name neither the template nor the workflow that sent. Ticktrail learns both from the executions of "
    "the sending workflow: add its id to WORKFLOW_ID_WHATSAPP, let n8n save its executions (in the workflow's "
    "settings), and type: ticktrail sync"
)
_PRICING = (
    "No status carries pricing. Meta sends it with “sent” and with one of “delivered” and “read”: let the "
    "trigger pass these (WhatsApp Trigger, Options, Receive Message Status Updates)."
)
_NUMBER = (
    "No message names the number it was sent from. It stands in the webhook's metadata: let the trigger's "
    "output reach the execution unchanged."
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
    Grouping.WORKFLOW: ("No message names the workflow whose executions carried it.",),
}


def empty_grouping(by: Grouping, *, messages: int) -> tuple[str, ...]:
    """Why there are no groups, and how to get some; a paragraph each."""
    if not messages:
        return ("There are no messages in this time.",)
    return _EMPTY[by]


def never_passed(statuses: Collection[str]) -> tuple[str, ...]:
    """Why some figures are a dash, and the cure; a paragraph each."""
    if not statuses:
        return ()
    named = " and ".join(f"“{status}”" for status in sorted(statuses))
    cure = "n8n's WhatsApp Trigger has a filter: Options, Receive Message Status Updates. Choose All there."
    if set(statuses) == {"failed"}:
        return (f"{named} never came. Either no message failed so far, or the trigger does not pass it.", cure)
    return (f"{named} never came, so the trigger seems not to pass {'it' if len(statuses) == 1 else 'them'}.", cure)
