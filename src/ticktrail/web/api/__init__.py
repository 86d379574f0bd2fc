"""The JSON API: routes, query parameters, cursors, schemas and its documentation page.

Guarantees the same figures as the command line. Does not know the pages.
"""
