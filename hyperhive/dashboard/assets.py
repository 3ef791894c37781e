"""Scripts and styles, read once at start and served from memory: no request names a file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from hyperhive.protocol.errors import NotFound

_FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
}
MORPH = "vendor/idiomorph.esm.js"
"""Without it pages work but do not change by themselves."""


@dataclass(frozen=True, slots=True)
class Assets:
    """`version` is a hash over all contents: it stands in the path, so browsers may keep them."""

    version: str
    files: dict[str, tuple[str, bytes]]
    """Path below `static/` -> (content type, content)."""

    def url(self, path: str) -> str:
        return f"/static/{self.version}/{path}"


def load() -> Assets:
    found = sorted(p for p in _FOLDER.rglob("*") if p.suffix in _TYPES)
    files = {
        path.relative_to(_FOLDER).as_posix(): (_TYPES[path.suffix], path.read_bytes())
        for path in found
    }
    digest = hashlib.sha256()
    for name, (_, content) in files.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return Assets(digest.hexdigest()[:16], files)


ASSETS = web.AppKey("assets", Assets)


async def static(request: web.Request) -> web.Response:
    assets = request.app[ASSETS]
    path = request.match_info["path"]
    if request.match_info["version"] != assets.version or path not in assets.files:
        raise NotFound("there is no such file; reload the page")
    content_type, content = assets.files[path]
    return web.Response(
        body=content,
        content_type=content_type,
        charset="utf-8",
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )
