"""Fake servers, recorded executions and generated messages that several test folders share."""
