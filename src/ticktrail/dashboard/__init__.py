"""What people and machines see of a ledger in a browser: pages, a JSON API and metrics."""
