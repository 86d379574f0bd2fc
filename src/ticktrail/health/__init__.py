"""Check whether the installation is sound: settings, n8n, its workflows and the store.

Guarantees that every fault comes with a remedy. Changes nothing that it checks.
"""
