"""Text that people type and read: sanitizing, masking, phone numbers, times and wording.

Guarantees that the same kind of value is normalised and formatted the same way everywhere. Pure: knows no message,
store, socket, file or clock.
"""
