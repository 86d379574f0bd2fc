"""The delivery ledger for WhatsApp messages sent through n8n.

The names below are the public library, see ``docs/library.md``. Each loads its module on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ticktrail.errors import ConfigurationError, FatalError, NotFoundError, RetriableError, TicktrailError
    from ticktrail.extraction.execution_reader import extract
    from ticktrail.messages.counts import Counts, Group
    from ticktrail.messages.filters import Grouping, MessageFilter, SendFilter
    from ticktrail.messages.model import (
        Attributes,
        Extraction,
        HistoryEntry,
        Message,
        MessageState,
        Outcome,
        Send,
        SentBy,
        StatusEvent,
        Template,
    )
    from ticktrail.stores import Store, StoreOptions
    from ticktrail.stores.opening import open_store
    from ticktrail.stores.results import WriteReport

_HOMES = {
    "messages.counts": ("Counts", "Group"),
    "errors": ("ConfigurationError", "FatalError", "NotFoundError", "RetriableError", "TicktrailError"),
    "messages.model": (
        *("Attributes", "Extraction", "HistoryEntry", "Message", "Outcome", "Send", "SentBy", "MessageState"),
        *("StatusEvent", "Template"),
    ),
    "extraction.execution_reader": ("extract",),
    "messages.filters": ("Grouping", "MessageFilter", "SendFilter"),
    "stores": ("Store", "StoreOptions"),
    "stores.opening": ("open_store",),
    "stores.results": ("WriteReport",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Attributes",
    "ConfigurationError",
    "Counts",
    "Extraction",
    "FatalError",
    "Group",
    "Grouping",
    "HistoryEntry",
    "Message",
    "MessageFilter",
    "MessageState",
    "NotFoundError",
    "Outcome",
    "RetriableError",
    "Send",
    "SendFilter",
    "SentBy",
    "StatusEvent",
    "Store",
    "StoreOptions",
    "Template",
    "TicktrailError",
    "WriteReport",
    "__version__",
    "extract",
    "open_store",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"ticktrail.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
