"""Open the store that the settings name, and the collection of conversations beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ticktrail.errors import ConfigurationError
from ticktrail.settings.settings import Settings
from ticktrail.stores import Store, StoreOptions

if TYPE_CHECKING:
    from ticktrail.stores.mongodb.conversations import Conversations


def open_configured_store(settings: Settings) -> Store:
    """Return the store of the settings; nothing is connected or created yet."""
    return open_store(settings.store_url.reveal(), store_options(settings))


def store_options(settings: Settings) -> StoreOptions:
    """Return the options of the settings that a store needs beside its URL."""
    return StoreOptions(
        timezone=settings.timezone,
        database=settings.mongodb.database,
        status_collection=settings.mongodb.status_collection,
        sends_collection=settings.mongodb.sends_collection,
    )


def open_conversations(settings: Settings) -> Conversations | None:
    """Return the collection of conversations beside the store; None when none is set, or the store is a file."""
    collection, url = settings.mongodb.conversations_collection, settings.store_url.reveal()
    if collection is None or not url.lower().startswith(("mongodb://", "mongodb+srv://")):
        return None
    from ticktrail.stores.mongodb.conversations import Conversations  # noqa: PLC0415 - the driver loads when chosen

    return Conversations(url, store_options(settings), collection)


def open_store(url: str, options: StoreOptions | None = None) -> Store:
    """Open the store of a URL: ``mongodb://…``, ``mongodb+srv://…``, ``sqlite:///path`` or a plain path.

    Opening connects to nothing and creates nothing. The driver is imported here, not before. Without options, times
    are formatted in Asia/Riyadh.

    Raises:
        ConfigurationError: the URL has an unknown scheme.
    """
    options = options or StoreOptions(timezone=ZoneInfo("Asia/Riyadh"))
    scheme = url.split("://", 1)[0].lower() if "://" in url else ""
    if scheme in {"mongodb", "mongodb+srv"}:
        from ticktrail.stores.mongodb.store import MongoStore  # noqa: PLC0415 - the driver loads when chosen

        return MongoStore(url, options)
    if scheme in {"", "sqlite"}:
        from ticktrail.stores.sqlite.store import SqliteStore  # noqa: PLC0415 - the driver loads when chosen

        return SqliteStore(url, options)
    raise ConfigurationError(
        f"The store URL starts with {scheme}://, which is not a store that Ticktrail supports.",
        remedy="Use mongodb://…, mongodb+srv://…, or the path of a SQLite file.",
    )
