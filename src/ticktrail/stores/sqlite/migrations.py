"""The migrations of the SQLite file, in order. Existing ones are never edited.

Everything here runs on SQLite 3.34 (Python on RHEL 9): no STRICT, no RETURNING, no ``->>``, no unixepoch().
Instants (``…_at``) are integer milliseconds since 1970 UTC, ``…_timestamp`` integer Unix seconds.
"""

from __future__ import annotations

import msgspec

from ticktrail.stores.sqlite.cohorts import COLUMNS, UNKNOWN


class Migration(msgspec.Struct, frozen=True):
    """A migration: its number (1, 2, 3 … without gaps), its name, and its statements."""

    number: int
    name: str
    statements: tuple[str, ...]


_COHORT_VALUES = (
    "audience",
    "counted_prefix(conversation_id)",
    "COALESCE(template_name, '')",
    "COALESCE(template_language, '')",
    "COALESCE(sent_by_workflow_id, '')",
    "workflow_id",
    "COALESCE(phone_number_id, '')",
    "COALESCE(display_phone_number, '')",
    "COALESCE(pricing_category, '')",
    f"COALESCE(billable, {UNKNOWN})",
    "COALESCE(instance, '')",
    "COALESCE(callback_data, '') != ''",
)

COHORT_STATEMENTS = (
    f"INSERT INTO cohort ({', '.join(COLUMNS)}) SELECT DISTINCT {', '.join(_COHORT_VALUES)} FROM message",  # noqa: S608
    # A value that is not qualified would be the cohort's own column.
    f"""
    WITH valued (number, {", ".join(COLUMNS)}) AS (SELECT id, {", ".join(_COHORT_VALUES)} FROM message)
    UPDATE message SET pricing_category = NULL, billable = NULL, cohort = (
        SELECT cohort.id FROM valued JOIN cohort USING ({", ".join(COLUMNS)}) WHERE valued.number = message.id
    )
    """,  # noqa: S608
)
"""Gives each message of a file its cohort, from columns that were written before there were cohorts."""

MIGRATIONS = (
    Migration(
        1,
        "messages: where each stands and when it got there",
        (
            # Times and statuses are what merge.state made of the events: kept for questions, read back from events.
            """
            CREATE TABLE message (
                id INTEGER PRIMARY KEY,
                message_id TEXT NOT NULL UNIQUE,
                conversation_id TEXT,
                phone_number_id TEXT,
                display_phone_number TEXT,
                recipient_user_id TEXT,
                callback_data TEXT,
                instance TEXT,
                latest_status TEXT NOT NULL,
                latest_timestamp INTEGER,
                status_count INTEGER NOT NULL,
                workflow_id TEXT NOT NULL,
                conflict INTEGER NOT NULL,
                failure_code,
                failure_title TEXT,
                failure_details TEXT,
                pricing TEXT,
                sent_timestamp INTEGER,
                delivered_timestamp INTEGER,
                read_timestamp INTEGER,
                played_timestamp INTEGER,
                failed_timestamp INTEGER,
                first_timestamp INTEGER,
                template_name TEXT,
                template_language TEXT,
                sent_by_workflow_id TEXT,
                sent_by_node TEXT,
                sent_by_execution_id TEXT,
                first_seen_at INTEGER NOT NULL,
                last_updated_at INTEGER NOT NULL,
                last_scanned_at INTEGER NOT NULL
            )
            """,
        ),
    ),
    Migration(
        2,
        "events: every distinct status of a message",
        (
            # The key is merge.entry_key's text. Without a rowid a message's events lie side by side.
            """
            CREATE TABLE event (
                message INTEGER NOT NULL REFERENCES message (id),
                key TEXT NOT NULL,
                status TEXT NOT NULL,
                timestamp INTEGER,
                execution_id TEXT NOT NULL,
                conversation_id TEXT,
                workflow_id TEXT NOT NULL,
                details TEXT,
                PRIMARY KEY (message, key)
            ) WITHOUT ROWID
            """,
        ),
    ),
    Migration(
        3,
        "sends: each attempt to send, accepted or refused by Meta",
        (
            """
            CREATE TABLE send (
                id INTEGER PRIMARY KEY,
                key TEXT NOT NULL UNIQUE,
                message_id TEXT,
                status TEXT NOT NULL,
                rejected INTEGER NOT NULL,
                sent_at INTEGER,
                conversation_id TEXT,
                input TEXT,
                template_name TEXT,
                template_language TEXT,
                sent_by_workflow_id TEXT NOT NULL,
                sent_by_node TEXT NOT NULL,
                sent_by_execution_id TEXT NOT NULL,
                errors TEXT,
                instance TEXT
            )
            """,
        ),
    ),
    Migration(
        4,
        "indexes: one for each question the commands ask",
        (
            "CREATE INDEX message_latest ON message (latest_timestamp)",
            "CREATE INDEX message_conversation ON message (conversation_id, latest_timestamp)",
            "CREATE INDEX message_status ON message (latest_status, latest_timestamp)",
            "CREATE INDEX message_updated ON message (last_updated_at)",
            "CREATE INDEX message_recipient ON message (recipient_user_id) WHERE recipient_user_id IS NOT NULL",
            "CREATE INDEX message_time ON message (COALESCE(sent_timestamp, first_timestamp, latest_timestamp))",
            "CREATE INDEX send_time ON send (sent_at)",
        ),
    ),
    Migration(
        5,
        "books: what a sync notes of its own work",
        (
            "CREATE TABLE identity (id TEXT NOT NULL)",
            "INSERT INTO identity VALUES (LOWER(HEX(RANDOMBLOB(16))))",
            # Bits of 2,048 ids, least significant byte first.
            """
            CREATE TABLE settled (
                scope TEXT NOT NULL,
                block INTEGER NOT NULL,
                bits BLOB NOT NULL,
                latest_started_at TEXT,
                PRIMARY KEY (scope, block)
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE open_execution (
                scope TEXT NOT NULL,
                execution_id INTEGER NOT NULL,
                record TEXT NOT NULL,
                PRIMARY KEY (scope, execution_id)
            ) WITHOUT ROWID
            """,
            "CREATE TABLE coverage_facts (scope TEXT PRIMARY KEY, facts TEXT NOT NULL) WITHOUT ROWID",
            "CREATE TABLE lease (name TEXT PRIMARY KEY, holder TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID",
            """
            CREATE TABLE run (
                run_id TEXT PRIMARY KEY,
                began_at INTEGER NOT NULL,
                record TEXT NOT NULL
            )
            """,
            "CREATE INDEX run_time ON run (began_at)",
        ),
    ),
    Migration(
        6,
        "indexes: messages by campaign and by error, refused sends",
        (
            """
            CREATE INDEX message_campaign ON message (callback_data, latest_timestamp)
            WHERE callback_data IS NOT NULL
            """,
            "CREATE INDEX message_failure ON message (failure_code, latest_timestamp) WHERE failure_code IS NOT NULL",
            "CREATE INDEX send_refused ON send (sent_at) WHERE rejected = 1",
        ),
    ),
    Migration(
        7,
        "figures: what messages are counted by, in columns that indexes cover",
        (
            "ALTER TABLE message ADD COLUMN message_time INTEGER",
            "ALTER TABLE message ADD COLUMN audience INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE message ADD COLUMN facts INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE message ADD COLUMN delay INTEGER",
            "ALTER TABLE message ADD COLUMN pricing_category TEXT",
            "ALTER TABLE message ADD COLUMN billable INTEGER",
            # The functions are those of counts.py (register_functions): new and older rows are counted alike.
            """
            UPDATE message SET
                message_time = COALESCE(sent_timestamp, first_timestamp, latest_timestamp),
                audience = counted_audience(conversation_id, phone_number_id),
                facts = counted_facts(latest_status, conflict, sent_timestamp, delivered_timestamp,
                                      read_timestamp, played_timestamp),
                delay = counted_delay(latest_status, sent_timestamp, delivered_timestamp),
                pricing_category = counted_category(pricing),
                billable = counted_billable(pricing)
            """,
            "DROP INDEX message_time",
            "CREATE INDEX message_time ON message (message_time, audience, facts, pricing_category, billable, delay)",
            "CREATE INDEX message_facts ON message (audience, facts, pricing_category, billable, delay, message_time)",
        ),
    ),
    Migration(
        8,
        "care: who was forgotten, and since when the ledger keeps",
        (
            "CREATE TABLE forgotten (id INTEGER PRIMARY KEY, tombstone TEXT NOT NULL UNIQUE, forgotten_at INTEGER)",
            "CREATE TABLE care (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
            "INSERT INTO care VALUES ('salt', LOWER(HEX(RANDOMBLOB(16))))",
        ),
    ),
    Migration(
        9,
        "alerts: what was alerted of, and who was told",
        (
            """
            CREATE TABLE alert (
                key TEXT PRIMARY KEY,
                kind TEXT NOT NULL,
                title TEXT NOT NULL,
                first_seen_at INTEGER NOT NULL,
                last_seen_at INTEGER NOT NULL,
                resolved_at INTEGER,
                acknowledged_at INTEGER,
                note TEXT
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE alert_notice (
                key TEXT NOT NULL,
                channel TEXT NOT NULL,
                told_at INTEGER NOT NULL,
                over_at INTEGER,
                PRIMARY KEY (key, channel)
            ) WITHOUT ROWID
            """,
        ),
    ),
    Migration(
        10,
        "messages by the time sent, and who acknowledged an alert",
        (
            "CREATE INDEX message_sent ON message (first_timestamp)",
            # One batch gives many messages the same time: with the id, their order needs no sort.
            "DROP INDEX message_updated",
            "CREATE INDEX message_updated ON message (last_updated_at DESC, message_id)",
            "ALTER TABLE alert ADD COLUMN acknowledged_by TEXT",
        ),
    ),
    Migration(
        11,
        "cohorts: numbers for what messages are grouped by; indexes in the order of lists, by time sent",
        (
            # The columns pricing_category and billable of message are no longer used; SQLite 3.34 cannot drop them.
            f"""
            CREATE TABLE cohort (
                id INTEGER PRIMARY KEY,
                audience INTEGER NOT NULL,
                country_prefix TEXT NOT NULL,
                template_name TEXT NOT NULL,
                template_language TEXT NOT NULL,
                sent_by_workflow_id TEXT NOT NULL,
                workflow_id TEXT NOT NULL,
                phone_number_id TEXT NOT NULL,
                display_phone_number TEXT NOT NULL,
                pricing_category TEXT NOT NULL,
                billable INTEGER NOT NULL,
                instance TEXT NOT NULL,
                in_campaign INTEGER NOT NULL,
                UNIQUE ({", ".join(COLUMNS)})
            )
            """,
            "ALTER TABLE message ADD COLUMN cohort INTEGER REFERENCES cohort (id)",
            *COHORT_STATEMENTS,
            "DROP INDEX message_sent",
            "DROP INDEX message_conversation",
            "DROP INDEX message_status",
            "DROP INDEX message_updated",
            "DROP INDEX message_campaign",
            "DROP INDEX message_failure",
            "DROP INDEX message_time",
            "DROP INDEX message_facts",
            "CREATE INDEX message_cohort ON message (cohort, facts, delay, message_time)",
            "CREATE INDEX message_time ON message (message_time, cohort, facts, delay)",
            "CREATE INDEX message_conversation ON message (conversation_id, facts, audience, message_time)",
            "CREATE INDEX message_status ON message (latest_status, message_time)",
            "CREATE INDEX message_updated ON message (last_updated_at DESC, message_id)",
            """
            CREATE INDEX message_campaign ON message (callback_data, message_time, facts, audience)
            WHERE callback_data IS NOT NULL
            """,
            "CREATE INDEX message_failure ON message (failure_code, message_time) WHERE failure_code IS NOT NULL",
        ),
    ),
)
