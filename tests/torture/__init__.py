"""Commands that are killed at random moments, while n8n and the store misbehave; see ``__main__``."""
