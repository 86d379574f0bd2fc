"""What people look at and machines read: pages, a JSON API, metrics. Needs the extra ``ticktrail[dashboard]``.

:mod:`~ticktrail.dashboard.app` puts it together; :mod:`~ticktrail.dashboard.guard` lets nobody past whom
:mod:`~ticktrail.dashboard.access` does not know.
"""
