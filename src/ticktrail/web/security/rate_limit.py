"""Counts wrong tokens by client address, and asks guessers to wait.

The right token is always accepted: otherwise ten wrong ones, from a forgotten script or from another user behind the
same proxy, would lock out everybody at that address. Tokens have 16 random characters or more: too many to guess.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict

MAX_FAILURES = 10
WINDOW_SECONDS = 300.0

_MAX_ADDRESSES = 10_000


class LoginAttempts:
    """Failed logins by address. Times are seconds of any clock that only goes forward."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def failed(self, address: str, now: float) -> int:
        """Count a wrong token; the seconds this address should wait, 0 for the first ten within five minutes.

        The 10,000 addresses that failed last are remembered.
        """
        name = _network(address)
        recent = [moment for moment in self._failures.get(name, ()) if now - moment < WINDOW_SECONDS]
        self._failures[name] = [*recent, now][-MAX_FAILURES:]
        self._failures.move_to_end(name)
        while len(self._failures) > _MAX_ADDRESSES:
            self._failures.popitem(last=False)
        if len(recent) < MAX_FAILURES:
            return 0
        return max(1, math.ceil(recent[0] + WINDOW_SECONDS - now))


def _network(address: str) -> str:
    """The address; of an IPv6 one its /64, within which a client chooses addresses freely."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
