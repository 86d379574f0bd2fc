"""Names of the groupings that the pages offer."""

from __future__ import annotations

from ticktrail.errors import ConfigurationError
from ticktrail.messages.filters import Grouping
from ticktrail.web.pages.translation import gettext as _
from ticktrail.web.pages.translation import mark

GROUPINGS = {
    "template": mark("Template"),
    "campaign": mark("Campaign"),
    "sender": mark("Sender workflow"),
    "number": mark("Number"),
    "country": mark("Country"),
    "error": mark("Reason"),
    "category": mark("Category"),
    "hour": mark("Hour"),
}

NAMELESS = {
    "template": mark("no template is known"),
    "campaign": mark("no campaign"),
    "sender": mark("no sender workflow is known"),
    "number": mark("no number is known"),
    "country": mark("no country is known"),
    "error": mark("no code"),
    "category": mark("no category"),
    "hour": mark("no time"),
}
"""Names of the messages that belong to no group."""


def grouping_of(name: str) -> Grouping:
    """The grouping of a name.

    Raises:
        ConfigurationError: the pages have none of this name.
    """
    if name not in GROUPINGS:
        raise ConfigurationError(
            _("Messages cannot be grouped by that."),
            remedy=_("Good ones: {names}.").format(names=", ".join(GROUPINGS)),
        )
    return Grouping(name)
