"""The commands, one module a group: choose one. Each is parse → open → one call → render."""
