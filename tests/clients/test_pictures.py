"""Pictures of mails by a real Chromium, which asks the network for nothing."""

import os
import shutil
import struct
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from cli import chromium
from cli.chromium import Picture, take_pictures
from domain.channels.in_app.channel import InApp
from domain.errors import UnavailableError
from tests.domain.templates.sources import only, variables

PAGE = """<!doctype html><html><head>
<link rel="preconnect" href="{url}"><link rel="prefetch" href="{url}/prefetch">
<link rel="stylesheet" href="{url}/style.css"><meta http-equiv="refresh" content="0;url={url}/refresh">
<style>@import url("{url}/import.css"); body {{ background: white }}
@media (prefers-color-scheme: dark) {{ body {{ background: black }} }}
p {{ height: 1000px; margin: 0; background: url("{url}/back.png") }}
@media (max-width: 400px) {{ p {{ height: 2000px }} }}
</style></head><body><p></p><img src="{url}/pixel.gif"><img src="{named}/pixel.gif">
<iframe src="{url}/frame"></iframe><iframe src="file://{file}"></iframe>
<script>fetch("{url}/script"); document.body.innerHTML = ""</script></body></html>"""


class Listener(ThreadingHTTPServer):
    """A receiver that learns of who opens a mail."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.connections = 0

    def get_request(self) -> tuple:  # type: ignore[type-arg]
        self.connections += 1
        return super().get_request()


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    if not any(shutil.which(name) for name in chromium.BROWSERS):
        if "CI" in os.environ:
            pytest.fail("pictures need Chromium: apt install chromium-headless-shell")
        pytest.skip("no Chromium: apt install chromium-headless-shell")
    with Listener() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.mark.takes_long
def test_pictures_are_whole_and_nothing_is_asked_of_the_network(listener: Listener, tmp_path: Path) -> None:
    port = listener.server_address[1]
    file = tmp_path / "secret.html"
    file.write_text("<h1>secret</h1>")
    html = PAGE.format(url=f"http://127.0.0.1:{port}", named=f"http://localhost:{port}", file=file)
    wanted = [Picture("desktop", 600), Picture("mobile", 375), Picture("dark", 600, True)]
    desktop, mobile, dark = take_pictures(html, wanted)
    assert size_of(desktop)[0] == 600
    assert 1_000 <= size_of(desktop)[1] < 2_000
    assert size_of(mobile)[0] == 375
    assert size_of(mobile)[1] >= 2_000
    assert size_of(dark) == size_of(desktop)
    assert dark != desktop
    assert listener.connections == 0


@pytest.mark.usefixtures("listener")
def test_a_message_of_a_page_has_a_picture_in_each_scheme() -> None:
    text = f"---\nchannel: in_app\nkind: modal\n---\ntitle: Hello\ntext: {'All of it. ' * 200}\n"
    html = InApp().draw_page(only(text).render(variables(), None))
    light, dark = take_pictures(html, [Picture("light", 375), Picture("dark", 375, True)])
    assert size_of(light)[0] == 375
    # A dialog that is higher than the page makes it longer.
    assert size_of(light)[1] > 900
    assert size_of(dark) == size_of(light)
    assert dark != light


def test_a_browser_that_ends_is_an_error(listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o700)
    monkeypatch.setattr(chromium, "BROWSERS", (str(broken),))
    with pytest.raises(UnavailableError, match="took no picture"):
        take_pictures("<p>x</p>", [Picture("desktop", 600)])
