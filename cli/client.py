"""The API as the commands call it: problem documents become the errors that they were on the other side."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

from cli.target import Target
from domain.errors import InvalidDocumentError, InvalidRequestError, Problem, SojournError, UnavailableError

# Publishing compiles every template and condition of a campaign; all else answers in milliseconds.
TIMEOUT_SECONDS = 30

_ERROR_OF_CODE = {error.code: error for error in SojournError.__subclasses__()}
_STANDARD_MEMBERS = {"type", "title", "status", "detail", "code"}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class ApiClient:
    """One API. Every method raises a SojournError, of the kind that the API answered with.

    UnavailableError means that no answer came.
    """

    def __init__(self, target: Target) -> None:
        self._url = target.api_url
        try:
            self._http = httpx.Client(
                base_url=target.api_url,
                headers={"Authorization": f"Bearer {target.admin_key}"},
                timeout=TIMEOUT_SECONDS,
                # A proxy has no way to this machine's own loopback.
                trust_env=urlsplit(target.api_url).hostname not in _LOOPBACK,
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise InvalidRequestError(f"{target.api_url} is no address such as http://localhost:8080") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def publish(self, file: str, source: str, templates: Mapping[str, str]) -> dict[str, Any]:
        return self._call("POST", "/v1/campaigns", {"file": file, "source": source, "templates": dict(templates)})

    def campaigns(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("GET", "/v1/campaigns")["campaigns"]
        return found

    def change(self, key: str, verb: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """`verb` is start, stop, pause or resume."""
        return self._call("POST", f"/v1/campaigns/{quote(key, safe='')}/{verb}", body)

    def caps(self) -> dict[str, Any]:
        return self._call("GET", "/v1/frequency-caps")

    def put_caps(self, file: str, source: str) -> dict[str, Any]:
        return self._call("PUT", "/v1/frequency-caps", {"file": file, "source": source})

    def timeline(self, user_id: str, limit: int, before: str | None) -> dict[str, Any]:
        params: dict[str, str | int] = {"limit": limit} if before is None else {"limit": limit, "before": before}
        return self._call("GET", f"/v1/users/{quote(user_id, safe='')}/timeline", params=params)

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str | int] | None = None,
    ) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, json=body, params=params)
        except httpx.UnsupportedProtocol as error:
            raise InvalidRequestError(f"{self._url} is no address such as http://localhost:8080") from error
        except httpx.TransportError as error:
            raise UnavailableError(f"no answer from {self._url}: {error or type(error).__name__}") from error
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or response.is_redirect:
            raise UnavailableError(f"{self._url} answered {response.status_code} and not as Sojourn does")
        if response.is_error:
            raise _error_of(answer)
        return answer


def _error_of(problem: dict[str, Any]) -> SojournError:
    if "problems" in problem:
        return InvalidDocumentError([Problem(**each) for each in problem["problems"]])
    data = {name: value for name, value in problem.items() if name not in _STANDARD_MEMBERS}
    detail = problem.get("detail") or "the API gave no reason"
    return _ERROR_OF_CODE.get(problem.get("code", ""), SojournError)(detail, **data)
