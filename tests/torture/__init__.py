"""Syncs that are killed at random moments, against an n8n and a store that misbehave; see ``__main__``."""
