"""The pieces pages are made of. Whatever is shown goes in as text, never as markup."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from weakref import WeakSet

from nicegui import Client, background_tasks, ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from ticktrail.errors import ConfigurationError, SettingsError, TicktrailError
from ticktrail.messages.model import FAILED
from ticktrail.text.masking import hide_places, mask_text
from ticktrail.web.pages import strings as words
from ticktrail.web.pages.context import Visitor
from ticktrail.web.store_pool import BusyError

_MAY_SEE_ALL: WeakSet[Client] = WeakSet()
"""Those whose errors may name hosts and folders."""

T = TypeVar("T")
E = TypeVar("E", bound=Element)

QUICK_SECONDS = 0.4
"""A page waits so long for its figures before it shows that it is counting."""

_TICKS = {"sent": "✓", "delivered": "✓✓", "read": "✓✓", "played": "✓✓", "failed": "!", "undelivered": "!"}


def meet(visitor: Visitor) -> None:
    """Note who looks at this page, for what goes wrong on it later."""
    if not visitor.masked:
        _MAY_SEE_ALL.add(ui.context.client)


def text(content: object, classes: str = "", *, tag: str = "span", **attributes: str) -> TextElement:
    """A text in an element of its own."""
    element = TextElement(tag=tag, text=str(content))
    return _dressed(element, classes, attributes)


def box(classes: str = "", *, tag: str = "div", **attributes: str) -> Element:
    """An element to put others into."""
    return _dressed(Element(tag), classes, attributes)


def link(content: object, address: str | None, classes: str = "", **attributes: str) -> TextElement:
    """A link; the text alone where there is no address."""
    if address is None:
        return text(content, classes, **attributes)
    return text(content, classes, tag="a", href=address, **attributes)


def away(content: object, address: str, classes: str = "") -> TextElement:
    """A link that leaves: in a tab of its own, which learns nothing of this one."""
    return text(content, f"away {classes}", tag="a", href=address, target="_blank", rel="noopener noreferrer")


def button(content: str, act: Callable[[], Any], classes: str = "", **attributes: str) -> TextElement:
    """Something to press."""
    element = text(content, f"button {classes}", tag="button", type="button", **attributes)
    element.on("click", lambda _: act())
    return element


def tick(status: str, *, with_word: bool = True) -> None:
    """A status as WhatsApp draws it, with the word beside: colour is not all that tells them apart."""
    kind = status if status in _TICKS else "other"
    with box(f"status {kind}"):
        text(_TICKS.get(status, "·"), "tick", aria_hidden="true")
        if with_word:
            text(words.status(status), "word")


def is_failed(status: str) -> bool:
    """Whether a status says that the message did not arrive."""
    return status in FAILED


def empty(title: str, hint: str = "", *, kind: str = "empty") -> None:
    """What stands where nothing is to be shown, and what to do about it."""
    with box(f"state {kind}", role="status"):
        text(title, "state-title", tag="p")
        if hint:
            text(hint, "state-hint", tag="p")


def nothing_sent(*, is_empty: bool) -> None:
    """What stands where a period has no message: another period helps only where there are messages at all."""
    if is_empty:
        empty(words.EMPTY_LEDGER, words.EMPTY_LEDGER_HINT)
    else:
        empty(words.EMPTY_PERIOD, words.EMPTY_PERIOD_HINT)


_TITLES: tuple[tuple[type[Exception], str], ...] = (
    (SettingsError, words.SETTINGS_WRONG),
    (ConfigurationError, words.ASKED_WRONG),
    (BusyError, words.BUSY),
    (TicktrailError, words.STORE_AWAY),
    (Exception, words.BROKEN),
)


def failure(error: Exception, again: Callable[[], Any] | None = None) -> None:
    """What stands where something could not be had: what is the matter, and the remedy."""
    with box("state error", role="alert"):
        text(next(title for kind, title in _TITLES if isinstance(error, kind)), "state-title", tag="p")
        if isinstance(error, TicktrailError):
            for said in _told(error):
                text(said, "state-hint", tag="p")
        if again is not None:
            button(words.TRY_AGAIN, again)


def _told(error: TicktrailError) -> list[str]:
    """What an error says and its remedy, as far as whoever looks may know it."""
    told = [said[:600] for said in (str(error), error.remedy) if said]
    if ui.context.client in _MAY_SEE_ALL:
        return told
    # What was typed may be said back; what the store or a setting says of itself may not.
    return (
        [hide_places(mask_text(said)) for said in told]
        if isinstance(error, ConfigurationError) and not isinstance(error, SettingsError)
        else [words.WHY_ELSEWHERE]
    )


def waiting() -> None:
    """What stands where figures are being counted."""
    with box("state waiting", role="status"):
        for width in ("40%", "90%", "75%", "85%"):
            box("bone").style(f"width: {width}")
        text(words.LOADING, "state-hint", tag="p")


async def fill(
    container: Element, ask: Callable[[], Awaitable[T]], show: Callable[[T], Any], *, plainly: bool = False
) -> None:
    """Show in a container what is asked for: at once when it comes quickly, else when it comes.

    Args:
        plainly: with nothing in its place while it is waited for, or when it cannot be had.
    """

    async def again() -> None:
        container.clear()
        await fill(container, ask, show)

    def shown(task: asyncio.Task[T]) -> None:
        with container:
            try:
                show(task.result())
            except TicktrailError as error:
                if not plainly:
                    failure(error, again)

    async def asked() -> T:
        return await ask()

    task = asyncio.create_task(asked())
    done, _ = await asyncio.wait({task}, timeout=QUICK_SECONDS)
    if done:
        shown(task)
        return
    if not plainly:
        with container:
            waiting()

    async def later() -> None:
        await asyncio.wait({task})
        if container.client.is_deleted or container.is_deleted:
            return
        container.clear()
        shown(task)

    background_tasks.create(later(), name="fill a page")


def every(seconds: float, act: Callable[[], Any], container: Element, *, at_once: bool = False) -> None:
    """Do something again and again while the page of an element is looked at, whatever becomes of the element."""
    with container.client:
        ui.timer(seconds, act, immediate=at_once)


def downloads(name: str, query: str, hint: str = words.DOWNLOAD_HINT) -> None:
    """The ways to a list or a table as a file; the conditions stand in the query."""
    for ending, label in (("csv", words.DOWNLOAD_CSV), ("xlsx", words.DOWNLOAD_XLSX)):
        address = f"/download/{name}.{ending}{'?' + query if query else ''}"
        link(label, address, "button", download=f"{name}.{ending}", title=hint)


async def fill_anew(
    container: Element, seconds: float, ask: Callable[[], Awaitable[T]], show: Callable[[T], Any]
) -> Callable[[], Awaitable[None]]:
    """As :func:`fill`, and shown anew in its place whenever the answer has become another.

    It is asked again every so many seconds. When it cannot be had then, what stands there stays.

    Returns:
        what asks again at once, for who has just changed something. What ``show`` makes may name it: nobody presses
        a button before it is there.
    """
    shown: list[T] = []

    def put(found: T) -> None:
        shown[:] = [found]
        show(found)

    async def look() -> None:
        # A dear answer may lag behind the ledger for a while, so what counts is whether it changed.
        try:
            found = await ask()
        except TicktrailError:
            return
        if shown == [found] or container.is_deleted:
            return
        container.clear()
        with container:
            put(found)

    await fill(container, ask, put)
    every(seconds, look, container)
    return look


@contextmanager
def section(
    title: str, classes: str = "", *, level: str = "h2", extra: Callable[[], Any] | None = None
) -> Iterator[Element]:
    """A part of a page under a heading."""
    with box(f"section {classes}", tag="section", aria_label=title) as element:
        with box("section-head"):
            text(title, tag=level)
            if extra is not None:
                extra()
        yield element


def choices(name: str, options: dict[str, str], chosen: str, address: Callable[[str], str]) -> None:
    """A row of links of which one is chosen."""
    with box("choices", tag="nav", aria_label=name):
        for key, label in options.items():
            attributes = {"aria_current": "true"} if key == chosen else {}
            link(label, address(key), "choice", **attributes)


def bar(parts: list[tuple[str, int, str]]) -> None:
    """A whole as a bar of its parts: kind, how many, and the words for it."""
    whole = sum(count for _, count, _ in parts)
    with box("bar", role="img", aria_label=", ".join(words_ for _, count, words_ in parts if count)):
        for kind, count, words_ in parts:
            if count:
                box(f"part {kind}", title=words_).style(f"flex: {max(count / whole, 0.004):.5f} 0 0")


def spark(rates: tuple[float | None, ...]) -> None:
    """Rates, 0 to 1, as a small line."""
    known = [rate for rate in rates if rate is not None]
    if len(known) < 2:
        text("")
        return
    chart = ui.echart(
        {
            "animation": False,
            "grid": {"left": 1, "right": 1, "top": 3, "bottom": 3},
            "xAxis": {"type": "category", "show": False, "boundaryGap": False},
            "yAxis": {"type": "value", "show": False, "min": 0, "max": 1},
            "series": [
                {
                    "type": "line",
                    "data": [None if rate is None else round(rate, 4) for rate in rates],
                    "showSymbol": False,
                    "lineStyle": {"width": 1.5, "color": "#0f9d83"},
                    "areaStyle": {"color": "#0f9d83", "opacity": 0.12},
                    "connectNulls": True,
                    "silent": True,
                }
            ],
        },
        renderer="svg",
    ).classes("spark")
    chart.props["role"] = "img"
    chart.props["aria-label"] = words.SPARK.format(first=known[0] * 100, last=known[-1] * 100)


def _dressed(element: E, classes: str, attributes: dict[str, str]) -> E:
    if classes:
        element.classes(classes)
    for name, value in attributes.items():
        element.props[name.replace("_", "-")] = value
    return element
