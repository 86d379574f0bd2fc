"""The dashboard in a real browser: what a person would look at, and would check."""
