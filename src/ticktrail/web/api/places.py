"""Names for places in a list that may not be shown: a page's end is told by a message id, and in that is a number."""

from __future__ import annotations

import secrets
from collections import OrderedDict

from ticktrail.errors import ConfigurationError

_MOST = 10_000


class Places:
    """Random names for what :attr:`ticktrail.messages.filters.Cursor.token` says, the ten thousand given out last."""

    def __init__(self) -> None:
        self._by_name: OrderedDict[str, str] = OrderedDict()

    def name(self, token: str) -> str:
        """A name that tells nothing."""
        name = f"p_{secrets.token_urlsafe(16)}"
        self._by_name[name] = token
        while len(self._by_name) > _MOST:
            self._by_name.popitem(last=False)
        return name

    def token(self, name: str) -> str:
        """What was named so.

        Raises:
            ConfigurationError: nothing was, or it is long ago.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise ConfigurationError(
                "What --after names is no place Ticktrail has told, or one told long ago.",
                remedy="Begin again without --after.",
            ) from None
