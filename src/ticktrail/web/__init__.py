"""Web server: pages for people, a JSON API, metrics and probes. Needs the extra ``ticktrail[dashboard]``.

Guarantees that every request has a role before a route sees it, and that store queries run in a bounded worker pool.
Does not know the command line, and imports no other face.
"""
