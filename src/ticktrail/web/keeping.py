"""Keeps an answer for a while, so that many who ask cost the store one question."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class CachedValue(Generic[T]):
    """An answer that is made anew when it is old, by one of those who ask, while the others wait for it.

    Args:
        make: makes the answer. What it raises is raised to all who wait, and not kept.
        seconds: how long an answer is kept; one that was costly to make is kept for ``times_cost`` times as long as
            making it took, so that it never takes more than that part of the machine.
        patient_seconds: an old answer is given for so long at most while a new one is made; 0 has all wait for the
            new one.
    """

    def __init__(
        self,
        make: Callable[[], Awaitable[T]],
        *,
        seconds: float,
        times_cost: float = 20.0,
        patient_seconds: float = 0.0,
    ) -> None:
        self._make = make
        self._seconds = seconds
        self._times_cost = times_cost
        self._patient_seconds = patient_seconds
        self._making: asyncio.Task[T] | None = None
        self._answer: tuple[T, float] | None = None

    async def get(self) -> T:
        """The answer."""
        if self._answer is not None and time.monotonic() < self._answer[1]:
            return self._answer[0]
        loop = asyncio.get_running_loop()
        if self._making is None or self._making.done() or self._making.get_loop() is not loop:
            self._making = loop.create_task(self._made())
            # What it raises is nobody's when all have an older answer.
            self._making.add_done_callback(lambda task: task.cancelled() or task.exception())
        if self._answer is not None and time.monotonic() < self._answer[1] + self._patient_seconds:
            return self._answer[0]
        # One who goes away does not take the answer from the others.
        return await asyncio.shield(self._making)

    async def _made(self) -> T:
        began = time.monotonic()
        answer = await self._make()
        took = time.monotonic() - began
        self._answer = answer, time.monotonic() + max(self._seconds, took * self._times_cost)
        return answer
