"""Read executions from n8n's own database: SQLite or PostgreSQL, read-only.

Guarantees short autocommit reads that never hold a transaction, and never writes. Shows what n8n's API hides: running,
queued and soft-deleted executions. Does not know what is in an execution.
"""
