"""Schemathesis on the real server: what it is served, what it sends, and how it is run."""
