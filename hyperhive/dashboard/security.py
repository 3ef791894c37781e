"""Who is the operator: login codes, sessions, the fixed token; secrets are kept as SHA-256 only."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import deque
from urllib.parse import urlsplit

from aiohttp import web

from hyperhive.dashboard.options import HIVE, OPTIONS
from hyperhive.hive.clock import deadline_in
from hyperhive.hive.hive import Hive
from hyperhive.hive.ports import Transaction
from hyperhive.protocol.errors import RateLimited, Unauthenticated
from hyperhive.protocol.model import OPERATOR

CODE_SECONDS = 600.0
SESSION_SECONDS = 30 * 86_400.0
WRONG_PER_MINUTE = 10
"""Wrong codes and tokens from everybody together; with more the token is not looked at."""
_MINUTE = 60.0


async def make_login_code(hive: Hive) -> str:
    """A new code for `/login#CODE`: works once, within ten minutes."""
    code = secrets.token_urlsafe(16)
    expires = deadline_in(hive.clock, CODE_SECONDS)
    await hive.store.write(lambda tx: tx.logins.add(_digest(code), "code", expires))
    return code


class Logins:
    """Checks what browsers and programs show for themselves."""

    def __init__(self, hive: Hive, token: str | None) -> None:
        self._hive = hive
        self._token = _digest(token) if token else None
        self._wrong: deque[float] = deque()

    async def begin(self, secret: str) -> str:
        """A new session for a valid code or the token; returns what goes into the cookie.

        Raises Unauthenticated, and RateLimited after too many wrong ones. A code is looked at even
        then: it cannot be guessed, and whoever guesses must not keep the operator out.
        """
        clock, digest, session = self._hive.clock, _digest(secret), secrets.token_urlsafe(32)
        expires = deadline_in(clock, SESSION_SECONDS)
        is_token = not self._wait() and self._is_token(digest)

        def change(tx: Transaction) -> bool:
            if not is_token and not tx.logins.take(digest, "code", clock):
                return False
            tx.logins.add(_digest(session), "session", expires)
            tx.audit.append(OPERATOR, "login", "dashboard", "", clock.now())
            return True

        if not await self._hive.store.write(change):
            self._check_rate()
            self._note_wrong()
            raise Unauthenticated("this code is unknown, used or expired; ask for a new one")
        return session

    async def session(self, cookie: str) -> bytes | None:
        """The digest that stands for the session of this cookie, if it is valid."""
        digest = _digest(cookie)
        return digest if await self.known(digest) else None

    async def known(self, session: bytes) -> bool:
        clock = self._hive.clock
        return await self._hive.store.read(lambda tx: tx.logins.valid(session, clock))

    async def end(self, session: bytes) -> None:
        await self._hive.store.write(lambda tx: tx.logins.remove(session))

    def check_bearer(self, token: str) -> None:
        """Raises Unauthenticated for anything but the fixed token; RateLimited."""
        self._check_rate()
        if not self._is_token(_digest(token)):
            self._note_wrong()
            raise Unauthenticated("this token is not the dashboard's")

    def _is_token(self, digest: bytes) -> bool:
        return self._token is not None and hmac.compare_digest(digest, self._token)

    def _check_rate(self) -> None:
        if wait := self._wait():
            raise RateLimited("too many wrong codes; wait a minute", wait)

    def _wait(self) -> float:
        """Seconds until the next guess is taken."""
        now = asyncio.get_running_loop().time()
        while self._wrong and self._wrong[0] <= now - _MINUTE:
            self._wrong.popleft()
        if len(self._wrong) < WRONG_PER_MINUTE:
            return 0.0
        return max(0.1, round(self._wrong[0] + _MINUTE - now, 1))

    def _note_wrong(self) -> None:
        self._wrong.append(asyncio.get_running_loop().time())


def _digest(secret: str) -> bytes:
    """Looking up by digest takes the same time whatever of the secret is right."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


# --- the cookie ---


def cookie_name(origin: str) -> str:
    """Ports share cookies (RFC 6265, 8.5), hence one name per port; `__Host-` needs TLS."""
    parts = urlsplit(origin)
    return "__Host-hyperhive" if parts.scheme == "https" else f"hyperhive-{parts.port or 80}"


def set_cookie(response: web.StreamResponse, origin: str, session: str) -> None:
    """Not for scripts, not for other sites, and over TLS only when the page came so."""
    response.set_cookie(
        cookie_name(origin),
        session,
        max_age=int(SESSION_SECONDS),
        path="/",
        secure=origin.startswith("https:"),
        httponly=True,
        samesite="Strict",
    )


def delete_cookie(response: web.StreamResponse, origin: str) -> None:
    response.del_cookie(
        cookie_name(origin),
        path="/",
        secure=origin.startswith("https:"),
        httponly=True,
        samesite="Strict",
    )


LOGINS = web.AppKey("logins", Logins)


def setup(app: web.Application) -> None:
    app[LOGINS] = Logins(app[HIVE], app[OPTIONS].token)
