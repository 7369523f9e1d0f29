"""Pictures of HTML by the installed Chromium, headless and without network.

It is driven by the DevTools protocol over a pipe: https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from domain.errors import InvalidRequestError, UnavailableError

BROWSERS: Final = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
# For all pictures of one mail. The browser starts in about a second.
TIMEOUT_SECONDS: Final = 60.0
# The height of the window, and the most that the browser draws. Mails are between them.
MIN_HEIGHT: Final = 200
MAX_HEIGHT: Final = 16_000
# Every request, also one to this machine, goes to a proxy whose name has no address.
_OFFLINE: Final = (
    "--proxy-server=http://none.invalid:1",
    "--proxy-bypass-list=<-loopback>",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--disable-background-networking",
)
_HEADLESS: Final = (
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
# Where the mail seems to be. Its policy allows no script, no frame, no other page, and nothing from elsewhere.
_URL: Final = "http://mail.invalid/"
_POLICY: Final = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:"
# The protocol reads from file descriptor 3 and writes to 4.
_WITH_PIPES: Final = ("/bin/sh", "-c", 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null', "sh")


@dataclass(frozen=True, slots=True)
class Picture:
    """A wanted picture: its name, its width in CSS pixels, and the scheme of colours."""

    name: str
    width: int
    is_dark: bool = False


def take_pictures(html: str, wanted: Sequence[Picture]) -> list[bytes]:
    """Return a PNG of the whole page for each picture; remote images stay empty.

    Raises InvalidRequestError if no Chromium is installed, UnavailableError if it does not answer.
    """
    command = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if command is None:
        raise InvalidRequestError(
            "pictures need Chromium, and none is installed: `apt install chromium-headless-shell`, or "
            "`brew install --cask chromium`"
        )
    with _browser(command, html) as browser:
        page = _Page(browser)
        return [page.take(one) for one in wanted]


class _Browser:
    """A running browser with a mail. Messages are JSON, each ended by a zero byte."""

    def __init__(self, command: str, process: subprocess.Popen[bytes], mail: str) -> None:
        self._mail: str | None = mail
        self._command = command
        if process.stdin is None or process.stdout is None:
            raise TypeError("the browser is driven by its pipes")
        self._commands, self._answers = process.stdin, process.stdout
        self._until = time.monotonic() + TIMEOUT_SECONDS
        self._received = b""
        self._number = 0

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Call a method and return its result."""
        number = self._send(method, session, parameters)
        while (answer := self._receive()).get("id") != number:
            pass
        if "error" in answer:
            raise self._failure(f"{method}: {answer['error'].get('message')}")
        result: dict[str, Any] = answer["result"]
        return result

    def wait_for(self, event: str) -> None:
        """Wait for an event."""
        while self._receive().get("method") != event:
            pass

    def _send(self, method: str, session: str | None, parameters: Mapping[str, Any]) -> int:
        """Send a message and return its number, which its answer has."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        left = json.dumps(message).encode() + b"\0"
        try:
            while left:
                left = left[os.write(self._commands.fileno(), left) :]
        except BrokenPipeError as error:
            raise self._failure("it has ended") from error
        return self._number

    def _receive(self) -> dict[str, Any]:
        """Return the next message that is not a request of the page."""
        while (received := self._read()).get("method") == "Fetch.requestPaused":
            self._answer(received["sessionId"], received["params"])
        return received

    def _answer(self, session: str, request: Mapping[str, Any]) -> None:
        """Answer the mail itself, and refuse all that it asks for."""
        answer: dict[str, Any] = {"requestId": request["requestId"]}
        if request["request"]["url"] == _URL and self._mail is not None:
            headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": _POLICY}
            answer["responseCode"] = HTTPStatus.OK
            answer["responseHeaders"] = [{"name": name, "value": value} for name, value in headers.items()]
            answer["body"] = base64.b64encode(self._mail.encode()).decode()
            self._mail = None
            self._send("Fetch.fulfillRequest", session, answer)
        else:
            self._send("Fetch.failRequest", session, {**answer, "errorReason": "BlockedByClient"})

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._received:
            left = self._until - time.monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                raise self._failure(f"it did not answer within {TIMEOUT_SECONDS:g} s")
            piece = os.read(self._answers.fileno(), 1 << 20)
            if not piece:
                raise self._failure("it has ended")
            self._received += piece
        message, _, self._received = self._received.partition(b"\0")
        received: dict[str, Any] = json.loads(message)
        return received

    def _failure(self, why: str) -> UnavailableError:
        return UnavailableError(f"{self._command} took no picture: {why}")


class _Page:
    """A page with the mail of a browser."""

    def __init__(self, browser: _Browser) -> None:
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Page.enable")
        self._call("Fetch.enable", patterns=[{"urlPattern": "*"}])
        self._call("Page.navigate", url=_URL)
        self._browser.wait_for("Page.loadEventFired")

    def take(self, wanted: Picture) -> bytes:
        """Return a picture of the whole page."""
        scheme = "dark" if wanted.is_dark else "light"
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        size = {"width": wanted.width, "height": MIN_HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        height = self._call("Page.getLayoutMetrics")["cssContentSize"]["height"]
        clip = {"x": 0, "y": 0, "width": wanted.width, "height": min(height, MAX_HEIGHT), "scale": 1}
        taken = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(taken["data"])

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **parameters)


@contextmanager
def _browser(command: str, mail: str) -> Iterator[_Browser]:
    # The sandbox of the browser does not work as root.
    sandbox = ["--no-sandbox"] if sys.platform == "linux" and os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="sojourn-", ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(  # noqa: S603 - a browser of this machine with our own arguments
            [*_WITH_PIPES, command, *_HEADLESS, *_OFFLINE, *sandbox, f"--user-data-dir={folder}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            # It has processes of its own.
            start_new_session=True,
        )
        try:
            yield _Browser(command, process, mail)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            # This closes the pipes.
            process.communicate()
