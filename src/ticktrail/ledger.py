"""Opens the store that the settings name."""

from __future__ import annotations

from ticktrail.config import Settings
from ticktrail.stores import Store, StoreOptions, open_store


def open_ledger(settings: Settings) -> Store:
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
