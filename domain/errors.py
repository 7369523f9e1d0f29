"""Every refusal that a caller can meet, as one tree.

SojournError
├── InvalidRequestError        400  the request cannot be read
├── UnauthorizedError          401  no key, or a wrong one
├── ForbiddenError             403  the key lacks a scope; says which
├── NotFoundError              404  no such campaign, version, user or journey
├── ConflictError              409  the state does not allow it; says the state and what is allowed
├── PayloadTooLargeError       413  beyond a limit; says the limit
├── InvalidDocumentError       422  a campaign, template or caps document with everything that is wrong with it
└── UnavailableError           503  a dependency is away; says when to come again
"""

from dataclasses import dataclass
from typing import Any, ClassVar


class SojournError(Exception):
    """A refusal with a stable code, an HTTP status, and the data that explains it."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(self, detail: str, **data: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.data = data


class InvalidRequestError(SojournError):
    status = 400
    code = "invalid_request"


class UnauthorizedError(SojournError):
    status = 401
    code = "unauthorized"


class ForbiddenError(SojournError):
    status = 403
    code = "forbidden"


class NotFoundError(SojournError):
    status = 404
    code = "not_found"


class ConflictError(SojournError):
    status = 409
    code = "conflict"


class PayloadTooLargeError(SojournError):
    status = 413
    code = "payload_too_large"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a document, or worth a second look: where (file, 1-based line, path), what, and a remedy."""

    file: str
    line: int
    path: str
    message: str
    suggestion: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path}: {self.message}. {self.suggestion}"


class InvalidDocumentError(SojournError):
    """A document refused with all of its problems at once."""

    status = 422
    code = "invalid_document"

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} problem{'s' if len(problems) != 1 else ''} in the document")
        self.problems = problems


class UnavailableError(SojournError):
    status = 503
    code = "unavailable"
