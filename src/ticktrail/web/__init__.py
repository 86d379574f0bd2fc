"""What people look at and machines read: pages, a JSON API, metrics. Needs the extra ``ticktrail[dashboard]``.

:mod:`~ticktrail.web.server` puts it together; :mod:`~ticktrail.web.security.middleware` lets nobody past whom
:mod:`~ticktrail.web.roles` does not know.
"""
