"""An n8n imitation in a process of its own: ``python -m benchmarks.n8n_process COUNT [paced]``.

Paced, it takes as long as an n8n 2.41 on two cores was measured to take: 40 ms for a page without data, and 0.4 ms for
each execution of 3 KB with its data. Else it answers at once. A number on stdin adds as many executions.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from tests.support.faulty_server import Answer
from tests.support.invented_messages import execution, status_object
from tests.support.n8n_server import N8nRequest, N8nServer

_STATUSES = ("sent", "delivered", "read")
_PADDING = 1_500


def made(number: int) -> dict[str, Any]:
    """One status of a message whose others are close by; 3 KB, as a small workflow's executions are."""
    message, step = divmod(number, len(_STATUSES))
    status = status_object(
        f"wamid.{message:08}", _STATUSES[step], 1_795_000_000 + number, f"9665000{message % 99_999:05}"
    )
    return execution(number, [status], padding=_PADDING)


class Paced(N8nServer):
    """Answers as fast as a real one."""

    def respond(self, request: N8nRequest) -> Answer:
        """The right answer, in n8n's time."""
        time.sleep(request.limit * 0.0004 if request.is_list_with_data() else 0.04)
        return super().respond(request)


def main() -> None:
    """Serve until stdin ends."""
    count = int(sys.argv[1])
    kind = Paced if sys.argv[2:] == ["paced"] else N8nServer
    with kind(made(number) for number in range(1, count + 1)) as n8n:
        print(n8n.address, flush=True)
        for line in sys.stdin:
            n8n.add(*(made(number) for number in range(count + 1, count + 1 + int(line))))
            count += int(line)
            print("added", flush=True)


if __name__ == "__main__":
    main()
