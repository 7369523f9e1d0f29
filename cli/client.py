"""The API as commands call it: problem documents become the original errors."""

import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

import httpx
import typer

from cli.output import print_masked
from cli.target import Target, find_target, is_here, refuse_address
from domain.errors import InvalidDocumentError, InvalidRequestError, Problem, SojournError, UnavailableError

# Publishing compiles every template and condition of a campaign; all else answers in milliseconds.
TIMEOUT_SECONDS = 30
# The delays between retries after a lost answer. A call has one Idempotency-Key, so it is done once.
RETRY_SECONDS = (0.2, 1.0, 3.0)
IDEMPOTENCY_KEY = "Idempotency-Key"
IN_PROGRESS = "idempotency_in_progress"

_STANDARD_MEMBERS = {"type", "title", "status", "detail", "code", "message"}
_NOT_NOW = {429, 503}
_NO_PARAMS: Mapping[str, Any] = {}


def connect(context: typer.Context, *, ingests: bool = False) -> "ApiClient":
    """Connect to the API of the deployment that options or environment name."""
    given = context.find_root().params
    return ApiClient(find_target(context=given.get("context"), url=given.get("url"), ingests=ingests))


class ApiClient:
    """One API. Paths are parts below /v1. Methods raise the API's SojournErrors.

    UnavailableError means that no answer came, or that the API is to be called again later.
    """

    def __init__(self, target: Target, *, timeout: float = TIMEOUT_SECONDS) -> None:
        self.url = target.api_url
        try:
            self._http = httpx.Client(
                base_url=target.api_url,
                headers={"Authorization": f"Bearer {target.key}"},
                timeout=timeout,
                # A proxy cannot reach this machine's own loopback.
                trust_env=not is_here(target.api_url),
            )
            # Invalid labels would otherwise be found only on connecting.
            if not self._http.base_url.host.encode("idna"):
                raise ValueError("no host")
        except (httpx.InvalidURL, ValueError) as error:
            raise refuse_address(self.url) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, *path: str, **params: str | int | list[str] | None) -> dict[str, Any]:
        """Read a resource. Parameters that are None are left out."""
        given = {name: value for name, value in params.items() if value is not None}
        return self._answer(self._request("GET", path, params=given))

    def ask(self, *path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Ask a question with a body, without effects."""
        return self._answer(self._request("POST", path, json=body))

    def send(self, *path: str, content: bytes) -> dict[str, Any]:
        """Send JSON that the API takes once, however often it is sent."""
        headers = {"Content-Type": "application/json"}
        return self._answer(self._request("POST", path, content=content, headers=headers))

    def deliver(self, *path: str, content: bytes, content_type: str, **params: str | None) -> dict[str, Any]:
        """Send what is not JSON, and what the API takes once however often it is sent."""
        given = {name: value for name, value in params.items() if value is not None}
        headers = {"Content-Type": content_type}
        return self._answer(self._request("POST", path, params=given, content=content, headers=headers))

    def post(self, *path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._act("POST", path, body)

    def put(self, *path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._act("PUT", path, body)

    def patch(self, *path: str, body: Mapping[str, Any], **params: str | None) -> dict[str, Any]:
        return self._act("PATCH", path, body, params)

    def delete(self, *path: str, **params: str | None) -> dict[str, Any]:
        return self._act("DELETE", path, None, params)

    def download(self, *path: str, **params: str | None) -> bytes:
        """Read what is not JSON. Parameters that are None are left out."""
        given = {name: value for name, value in params.items() if value is not None}
        response = self._request("GET", path, params=given)
        if not response.is_success:
            self._answer(response)
        return response.content

    def stream(self, *path: str, **params: str | None) -> Iterator[bytes]:
        """Read what is not JSON piece by piece. A lost connection is an UnavailableError."""
        given = {name: value for name, value in params.items() if value is not None}
        request = self._http.build_request("GET", _path_of(path), params=given)
        try:
            response = self._http.send(request, stream=True)
            try:
                if not response.is_success:
                    response.read()
                    self._answer(response)
                yield from response.iter_bytes()
            finally:
                response.close()
        except httpx.TransportError as error:
            raise _LostError(self._describe_failure(error)) from error

    def _act(
        self, method: str, path: tuple[str, ...], body: Mapping[str, Any] | None, params: Mapping[str, Any] = _NO_PARAMS
    ) -> dict[str, Any]:
        """Act once: a call whose answer was lost is repeated with its key."""
        headers = {IDEMPOTENCY_KEY: str(uuid4())}
        given = {name: value for name, value in params.items() if value is not None}
        lost: UnavailableError | None = None
        for pause in (0.0, *RETRY_SECONDS):
            time.sleep(pause)
            try:
                return self._answer(self._request(method, path, json=body, params=given, headers=headers))
            except _NotConnectedError as error:
                # Only a request that may have arrived is repeated.
                if lost is None:
                    raise
                lost = error
            except _LostError as error:
                lost = error
            except RefusedError as error:
                # The earlier attempt is still running.
                if lost is None or error.reason != IN_PROGRESS:
                    raise
        raise lost or AssertionError("it is tried at least once")

    def _request(self, method: str, path: tuple[str, ...], **request: Any) -> httpx.Response:
        try:
            return self._http.request(method, _path_of(path), **request)
        except UnicodeEncodeError as error:
            raise InvalidRequestError("an argument is not text in UTF-8") from error
        except httpx.UnsupportedProtocol as error:
            raise refuse_address(self.url) from error
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _NotConnectedError(self._describe_failure(error)) from error
        except httpx.TransportError as error:
            raise _LostError(self._describe_failure(error)) from error

    def _answer(self, response: httpx.Response) -> dict[str, Any]:
        if response.status_code == httpx.codes.NO_CONTENT:
            return {}
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or response.is_redirect:
            raise UnavailableError(f"{self.url} answered {response.status_code} and not as Sojourn does")
        if response.is_error:
            raise _error_of(response.status_code, answer)
        if answer.get("masked"):
            print_masked()
        return answer

    def _describe_failure(self, error: httpx.TransportError) -> str:
        # The library quotes the headers of a malformed request or answer.
        is_quoting = isinstance(error, httpx.ProtocolError)
        reason = "the connection was closed, or does not speak HTTP" if is_quoting else str(error)
        return f"no answer from {self.url}: {reason or type(error).__name__}"


def _path_of(parts: tuple[str, ...]) -> str:
    return "/".join(("/v1", *(quote(part, safe="") for part in parts)))


class _LostError(UnavailableError):
    """The connection was lost: the request may have been carried out."""


class _NotConnectedError(UnavailableError):
    """No connection: the request did not arrive."""


class RefusedError(SojournError):
    """A refusal of the API. `reason` is its stable code."""

    def __init__(self, reason: str, detail: str, data: Mapping[str, Any]) -> None:
        super().__init__(detail, **data)
        self.reason = reason


def _error_of(status: int, problem: dict[str, Any]) -> SojournError:
    if "problems" in problem:
        return InvalidDocumentError([Problem(**each) for each in problem["problems"]])
    data = {name: value for name, value in problem.items() if name not in _STANDARD_MEMBERS}
    detail = problem.get("detail") or "the API gave no reason"
    if status in _NOT_NOW:
        return UnavailableError(detail, **data)
    return RefusedError(problem.get("code", ""), detail, data)
