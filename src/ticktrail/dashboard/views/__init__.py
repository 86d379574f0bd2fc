"""The pages, one module each; :mod:`ticktrail.dashboard.pages` puts them at their addresses."""
