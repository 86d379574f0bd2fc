"""Opens the store that the settings name, and the conversations that a workflow keeps beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ticktrail.errors import ConfigurationError
from ticktrail.settings.settings import Settings
from ticktrail.stores import Store, StoreOptions

if TYPE_CHECKING:
    from ticktrail.stores.mongodb.conversations import Conversations


def open_configured_store(settings: Settings) -> Store:
    """The store of the settings; nothing is connected to or created yet."""
    return open_store(settings.store_url.reveal(), store_options(settings))


def store_options(settings: Settings) -> StoreOptions:
    """What the settings say of a store beside its URL."""
    return StoreOptions(
        timezone=settings.timezone,
        database=settings.mongodb.database,
        status_collection=settings.mongodb.status_collection,
        sends_collection=settings.mongodb.sends_collection,
    )


def open_conversations(settings: Settings) -> Conversations | None:
    """The collection of conversations beside the ledger; None when none is set, or the ledger is in a file."""
    collection, url = settings.mongodb.conversations_collection, settings.store_url.reveal()
    if collection is None or not url.lower().startswith(("mongodb://", "mongodb+srv://")):
        return None
    from ticktrail.stores.mongodb.conversations import Conversations  # noqa: PLC0415 - the driver loads when chosen

    return Conversations(url, store_options(settings), collection)


def open_store(url: str, options: StoreOptions | None = None) -> Store:
    """Open the store a URL names: ``mongodb://…``, ``mongodb+srv://…``, ``sqlite:///path`` or a plain path.

    Opening connects to nothing and creates nothing. The driver is imported here, not before. Without options, times
    are Riyadh's.

    Raises:
        ConfigurationError: the URL names no store we know.
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
        f"The store URL starts with {scheme}://, which is no store Ticktrail knows.",
        remedy="Use mongodb://…, mongodb+srv://…, or the path of a SQLite file.",
    )
