"""Find webhook bodies, status events and sends in one n8n execution.

Guarantees that extraction never raises, and never reads text that a person wrote. Pure: does not know where an
execution came from or where its events are kept.
"""
