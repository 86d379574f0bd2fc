"""Alerts: rules that find what needs a person, their state, and notifications.

Guarantees one alert per cause, sent once until it is resolved. Does not know how alerts are shown on a terminal or
a page.
"""
