"""Adapter: durable state in one SQLite database, behind the ports of the rules."""
