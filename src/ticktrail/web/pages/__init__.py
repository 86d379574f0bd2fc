"""The dashboard's pages, one module each; :mod:`ticktrail.web.pages.routes` lists their addresses.

Guarantees that every figure links to exactly the messages it counts. Does not query stores itself.
"""
