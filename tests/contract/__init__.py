"""One suite for all stores and one for all sources: no test says which it runs against."""
