"""Wrong tokens, counted by where they come from, so that nobody can go on guessing."""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict

MOST_FAILURES = 10
WINDOW_SECONDS = 300.0
"""After so many wrong tokens within so long, an address is not listened to until the first of them is so old."""

_MOST_ADDRESSES = 10_000


class LoginAttempts:
    """The failures of each address. Time is any clock that only goes forward, in seconds."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def wait(self, address: str, now: float) -> int:
        """Seconds until this address is listened to again; 0 when it is now."""
        recent = self._recent(address, now)
        if len(recent) < MOST_FAILURES:
            return 0
        return max(1, math.ceil(recent[-MOST_FAILURES] + WINDOW_SECONDS - now))

    def failed(self, address: str, now: float) -> None:
        """Count a wrong token. Memory holds ten thousand addresses, those that failed last."""
        name = _network(address)
        self._failures[name] = [*self._recent(address, now), now][-MOST_FAILURES:]
        self._failures.move_to_end(name)
        while len(self._failures) > _MOST_ADDRESSES:
            self._failures.popitem(last=False)

    def _recent(self, address: str, now: float) -> list[float]:
        return [moment for moment in self._failures.get(_network(address), ()) if now - moment < WINDOW_SECONDS]


def _network(address: str) -> str:
    """The address, or the /64 of an IPv6 one: everybody has a whole one of those to change addresses in."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
