"""Runs in the agent's container: the link to the host, the turn loop, the tools, the guard rail."""
