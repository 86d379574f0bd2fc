"""The commands, one module per group of the help text."""
