"""Our own pages: one frame, everything escaped, nothing fetched from elsewhere."""

from collections.abc import Iterable, Mapping
from html import escape

from aiohttp import web

HEADERS: Mapping[str, str] = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Whoever comes from a URL with a nonce must leave it here."""

STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:46em;margin:2em auto;padding:0 1em;color:#1e1e1e;background:#fff}"
    "h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}a{color:#000091}"
    "dt{font-weight:bold}dd{margin:0 0 .6em;overflow-wrap:anywhere}"
)


def page(title: str, parts: Iterable[str]) -> web.Response:
    """A whole page. `parts` are HTML: made by the functions below, which escape what they are given."""
    body = "\n".join(parts)
    text = (
        f'<!DOCTYPE html>\n<html lang="fr">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )
    return web.Response(body=text.encode("utf-8", "replace"), headers=HEADERS)


def heading(text: str) -> str:
    """The title of a section."""
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str) -> str:
    """A paragraph of text."""
    return f"<p>{escape(text)}</p>"


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values."""
    lines = "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
    return f"<dl>\n{lines}\n</dl>"


def bullets(texts: Iterable[str]) -> str:
    """A list of texts."""
    lines = "\n".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul>\n{lines}\n</ul>"


def link(address: str, text: str) -> str:
    """A paragraph that leads elsewhere."""
    return f'<p><a href="{escape(address)}">{escape(text)}</a></p>'
