"""Read executions through n8n's public REST API.

Guarantees that every requested execution is returned, or reported as withheld with a reason. Does not know what is
in an execution.
"""
