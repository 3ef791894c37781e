"""The version of the SQLite library in use."""

import aiosqlite

SQLITE_VERSION: str = aiosqlite.sqlite_version
