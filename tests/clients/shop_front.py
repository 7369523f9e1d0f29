"""The web server of a shop whose pages have Sojourn's script, under the strictest Content-Security-Policy."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from api.page_scripts import PageScripts

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Shop</title>
<link rel="stylesheet" href="/shop.css">
{before}
{tag}
</head>
<body>
<main>
<nav><a href="/basket" id="basket">Basket</a> <button type="button" id="lamps">Lamps</button>
<button type="button" id="search">Search</button> <button type="button" class="new-report">New</button>
<button type="button" data-tour="export">Export</button></nav>
{places}
</main>
</body>
</html>
"""
STYLE = "body { margin: 0 auto; max-width: 60rem; padding: 1rem; font: 1rem/1.5 sans-serif; }"
# The places of messages, as they are documented.
DOCS = (Path(__file__).parents[2] / "docs" / "in-app.md").read_text()
PLACES = DOCS.partition("```html page\n")[2].partition("```")[0]


class ShopFront(ThreadingHTTPServer):
    """Pages at any path. `violations` are what browsers report of the policy."""

    daemon_threads = True

    def __init__(self, api: str, scripts: PageScripts) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api, self.scripts = api, scripts
        self.violations: list[dict[str, Any]] = []
        # What stands in the tag, besides the script.
        self.attributes = ""
        # What its server says at /session/token.
        self.token = ""
        # A script of the shop's own, which the page has before that of Sojourn.
        self.script = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def render(self) -> tuple[str, str]:
        """Return a page and its policy."""
        tag = self.scripts.tag.replace(' data-key="WRITE_KEY"', f" {self.attributes}")
        before = '<script src="/shop.js"></script>' if self.script else ""
        # Its own addresses besides; in production they are of https as well.
        own = {"script-src": "shop.js", "connect-src": "session/token", "img-src": ""}
        allowed = self.scripts.policy
        for directive, path in own.items():
            allowed = allowed.replace(directive, f"{directive} {self.url}/{path}")
        policy = (
            f"default-src 'none'; {allowed}; "
            f"style-src {self.url}/shop.css; require-trusted-types-for 'script'; trusted-types sojourn; "
            "base-uri 'none'; form-action 'none'; report-uri /violations"
        )
        return PAGE.format(before=before, tag=tag, places=PLACES), policy


class _Handler(BaseHTTPRequestHandler):
    server: ShopFront

    def do_GET(self) -> None:
        page, policy = self.server.render()
        kinds = {
            "/shop.css": ("text/css", STYLE),
            "/shop.js": ("text/javascript", self.server.script),
            "/session/token": ("text/plain", self.server.token),
        }
        kind, body = kinds.get(self.path, ("text/html; charset=utf-8", page))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Security-Policy", policy)
        self.end_headers()
        self.wfile.write(body.encode())

    def do_POST(self) -> None:
        self.server.violations.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def open_front(api: str, scripts: PageScripts) -> Iterator[ShopFront]:
    with ShopFront(api, scripts) as front:
        thread = Thread(target=front.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield front
        finally:
            front.shutdown()
            thread.join()
