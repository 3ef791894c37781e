"""Agents as plain child processes: a way to try hyperhive on any Linux, without containers."""
