"""Keep messages in an embedded SQLite file.

Guarantees one transaction per write, in WAL mode, so that a killed process leaves the file as it was. Does not know
where events come from.
"""
