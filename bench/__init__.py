"""Benchmarks, each beside a peer in the same run; `./hive bench` prints one table."""
