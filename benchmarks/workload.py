"""Workload of the benchmarks: executions shaped as a real n8n writes them, larger and more numerous."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path

from ticktrail.messages.model import StatusEvent

RECORDED = Path(__file__).parent.parent / "tests/data/n8n-2.41.1/corpus_400_messages.jsonl.gz"
LIFE = ("sent", "delivered", "read")


def small_executions() -> list[bytes]:
    """The recorded executions: a trigger and one node behind it, about 3 KB each."""
    return gzip.decompress(RECORDED.read_bytes()).splitlines()


def fat_executions(count: int = 200) -> list[bytes]:
    """Recorded executions with twenty more nodes, each putting out 5 KB that has nothing to do with statuses."""
    fat = []
    for raw in small_executions()[:count]:
        execution = json.loads(raw)
        run_data = execution["data"]["resultData"]["runData"]
        pattern = run_data["Enrich"][0]
        for number in range(20):
            rows = [{"sku": f"A-{row:05}", "name": "a thing one can order", "price": row * 1.25} for row in range(72)]
            output = {"main": [[{"json": {"rows": rows}, "pairedItem": {"item": 0}}]]}
            run_data[f"Look up {number}"] = [{**pattern, "executionIndex": number + 2, "data": output}]
        fat.append(json.dumps(execution, separators=(",", ":")).encode())
    return fat


def campaign(rows: int) -> bytes:
    """One execution that sends to so many people in a loop, every tenth refused."""
    case = RECORDED.parents[1] / "cases/07-large-campaign-in-one-execution/input.json"
    execution = json.loads(case.read_text(encoding="utf-8"))[0]
    runs = execution["data"]["resultData"]["runData"]
    loop, send = runs["Loop Over Items"], runs["Send"]
    people = [{"phone": str(966500000000 + row), "template": "order_update|en_US"} for row in range(rows)]
    runs["Google Sheets"][0]["data"]["main"] = [[{"json": person, "pairedItem": {"item": 0}} for person in people]]
    runs["Loop Over Items"] = [
        {
            **loop[min(row, 1)],
            "source": [
                {"previousNode": "Send", "previousNodeRun": row - 1} if row else {"previousNode": "Google Sheets"}
            ],
            "data": {"main": [[], [{"json": person, "pairedItem": {"item": row}}]]},
        }
        for row, person in enumerate(people)
    ]
    source = {"previousNode": "Loop Over Items", "previousNodeOutput": 1}
    runs["Send"] = [
        {**send[0], "source": [{**source, "previousNodeRun": row}], "startTime": 1795000000000 + row}
        for row in range(rows)
    ]
    for row, run in enumerate(runs["Send"]):
        if row % 10:
            answer = {"messaging_product": "whatsapp", "messages": [{"id": f"wamid.{row}"}]}
            run["data"] = {"main": [[{"json": answer, "pairedItem": {"item": 0}}]]}
    return json.dumps(execution).encode()


def many_executions(count: int) -> Iterator[bytes]:
    """Small executions for three statuses a message, each message another, n8n's ids falling as in its list."""
    pattern = small_executions()[0]
    model = json.loads(pattern)
    known = model["data"]["resultData"]["runData"]["WhatsApp Trigger"][0]["data"]["main"][0][0]["json"]["statuses"][0]
    parts = pattern.replace(known["id"].encode(), b"@ID@").replace(
        f'"timestamp":"{known["timestamp"]}"'.encode(), b'"timestamp":"@TIME@"'
    )
    parts = parts.replace(f'"status":"{known["status"]}"'.encode(), b'"status":"@STATUS@"')
    parts = parts.replace(f'"id":"{model["id"]}"'.encode(), b'"id":"@EXECUTION@"')
    for number in range(count, 0, -1):
        message, step = divmod(number, 3)
        yield (
            parts.replace(b"@ID@", f"wamid.BENCH{message:010}".encode())
            .replace(b"@TIME@", str(1_767_100_000 + message + step * 40).encode())
            .replace(b"@STATUS@", LIFE[step].encode())
            .replace(b"@EXECUTION@", str(number).encode())
        )


def events(messages: int, *, together: bool) -> list[StatusEvent]:
    """Three statuses a message, either side by side or in the order they would arrive in."""
    made = [
        StatusEvent(
            message_id=f"wamid.BENCH{number:010}",
            status=status,
            timestamp=1_767_100_000 + number * 2 + (0, 4, 900)[step],
            execution_id=str(number * 3 + step),
            workflow_id="bcHn4wXXcVuTsjYB",
            conversation_id=f"9665000{number % 5000:05}",
            phone_number_id="106540352242922",
            display_phone_number="15550783881",
            pricing={"billable": True, "category": "utility", "pricing_model": "PMP", "type": "regular"},
        )
        for number in range(messages)
        for step, status in enumerate(LIFE)
    ]
    if not together:
        jitter = random.Random(7)  # noqa: S311 - a reproducible shuffle
        made.sort(key=lambda event: (event.timestamp or 0) + jitter.random() * 30)
    return made
