"""The delivery ledger for WhatsApp messages sent through n8n.

The names below are the library; see ``docs/library.md``. They load when they are first used, so that importing the
package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ticktrail.counts import Counts, Group
    from ticktrail.errors import ConfigurationError, FatalError, NotFoundError, RetriableError, TicktrailError
    from ticktrail.model import (
        Attributes,
        Extraction,
        HistoryEntry,
        Message,
        Outcome,
        Send,
        SentBy,
        Standing,
        StatusEvent,
        Template,
    )
    from ticktrail.n8n import extract
    from ticktrail.query import Grouping, MessageFilter, SendFilter
    from ticktrail.stores import Store, StoreOptions, WriteReport, open_store

_HOMES = {
    "counts": ("Counts", "Group"),
    "errors": ("ConfigurationError", "FatalError", "NotFoundError", "RetriableError", "TicktrailError"),
    "model": (
        *("Attributes", "Extraction", "HistoryEntry", "Message", "Outcome", "Send", "SentBy", "Standing"),
        *("StatusEvent", "Template"),
    ),
    "n8n": ("extract",),
    "query": ("Grouping", "MessageFilter", "SendFilter"),
    "stores": ("Store", "StoreOptions", "WriteReport", "open_store"),
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
    "NotFoundError",
    "Outcome",
    "RetriableError",
    "Send",
    "SendFilter",
    "SentBy",
    "Standing",
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
