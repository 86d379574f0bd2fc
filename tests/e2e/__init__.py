"""Tests against a real n8n: the lab that runs one, and what Ticktrail must make of it."""
