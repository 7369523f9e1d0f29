"""Every refusal that a caller can meet, as one tree.

SojournError
├── InvalidRequestError             400  the request cannot be read
│   └── MalformedJsonError          400  the body is not JSON
├── UnauthorizedError               401  no key, or a wrong one
├── UnverifiedCallbackError          401  the callback is not proven to be the provider's
├── ForbiddenError                  403  the key lacks a scope; says which
│   └── SamePersonError             403  another person approves it; says who requested it
├── NotFoundError                   404  no such campaign, version, user or journey
│   ├── NoSuchPathError             404  no route has this path
│   ├── ClosedSurveyError           404  the survey of a link is over
│   └── InvalidLinkError            404  an unsubscribe link that was not made here
│       └── PreviewLinkError        404  the link of a preview, which opens nothing
├── MethodNotAllowedError           405  the path is another method's
├── RequestTimeoutError             408  the body takes too long to arrive
├── ConflictError                   409  the state does not allow it; says the state and what is allowed
│   ├── ApprovalStateError          409  the approval was decided, or is of another state of the campaign; says which
│   ├── IdempotencyInProgressError  409  the same request is being carried out
│   ├── IdempotencyAnswerLostError  409  the same request was interrupted after it had called outside
│   └── PlanOutdatedError           409  what was planned is not what would be done now; says what has moved
├── OutdatedCursorError             410  the cursor is of a database that was restored since
├── PreconditionFailedError         412  If-Match is not the current one; says which is
├── PayloadTooLargeError            413  beyond a limit; says the limit
├── UnsupportedMediaTypeError       415  the body is not said to be JSON
├── InvalidDocumentError            422  a campaign, template or caps document with everything that is wrong with it
├── InvalidCursorError              422  `after` or `before` is not a cursor of this list
├── IdempotencyKeyReusedError       422  the Idempotency-Key is another request's
├── RateLimitedError                429  too much by one key; says of what, and when to come again
├── HeadersTooLargeError            431  the head of the request is beyond a limit; says the limits
└── UnavailableError                503  a dependency is away; says when to come again
    └── OverloadedError             503  the process has enough to do; says when to come again

docs/errors.md is the same for those who call; the classes hold what it says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar


class SojournError(Exception):
    """A refusal with a stable code, an HTTP status, and the data that explains it.

    `meaning` and `remedy` are what the reference of errors says, for those who call.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    meaning: ClassVar[str] = "An unexpected error. `incident` is its name in the log."
    remedy: ClassVar[str] = "Repeat it under the same Idempotency-Key; report the incident if it stays."

    def __init__(self, detail: str, **data: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.data = data


class InvalidRequestError(SojournError):
    status = 400
    code = "invalid_request"
    meaning = (
        "The request is not of the documented form. `detail` says what is wrong; `errors`, where it is there, names "
        "each fault with its path."
    )
    remedy = "Correct what is named."


class MalformedJsonError(InvalidRequestError):
    code = "malformed_json"
    meaning = "The body is not JSON. `detail` says where it ceases to be."
    remedy = "Send JSON, in UTF-8."


class UnauthorizedError(SojournError):
    status = 401
    code = "unauthorized"
    meaning = "There is no key, or it is unknown, expired or revoked."
    remedy = "Send a key as `Authorization: Bearer KEY`."


class UnverifiedCallbackError(SojournError):
    """The callback is not proven to be the provider's, or not of this account."""

    status = 401
    code = "unverified_callback"
    meaning = (
        "The callback is not proven to be the configured provider's: its secret, signature, time or topic is wrong."
    )
    remedy = "Compare the provider's `callback_secret` or `topics` with what its console shows."


class ForbiddenError(SojournError):
    status = 403
    code = "forbidden"
    meaning = "The key lacks the scope that this call takes. `scope` names it."
    remedy = "Use a key that has it."


class SamePersonError(ForbiddenError):
    code = "same_person"
    meaning = "The change waits for another person than the one who requested it, `requested_by`."
    remedy = "Let another person approve it, by a key that neither made the requesting key nor was made by it."


class NotFoundError(SojournError):
    status = 404
    code = "not_found"
    meaning = "There is no such campaign, version, user, journey, operation or key."
    remedy = "See what `detail` names."


class NoSuchPathError(NotFoundError):
    code = "no_such_path"
    meaning = "No route has this path."
    remedy = "See `/docs` for those that there are."


class InvalidLinkError(NotFoundError):
    """The link was not signed by this deployment, or was cut short on its way."""

    code = "invalid_link"
    meaning = "The unsubscribe link was not made by this deployment, or was cut short."
    remedy = "Use the link as it stands in the message."


class PreviewLinkError(InvalidLinkError):
    """The link stands in a preview or a test, and belongs to no person."""

    code = "preview_link"
    meaning = "The link is that of a preview or a test, and belongs to no person."
    remedy = "Send the message itself to try its links."


class ClosedSurveyError(NotFoundError):
    """The survey of the link was deleted at the end of its retention."""

    code = "closed_survey"
    meaning = "The survey of the link is over: retention has deleted its questions."
    remedy = "Keep `surveys` longer in the document of retention, if people answer later than that."


class MethodNotAllowedError(SojournError):
    status = 405
    code = "method_not_allowed"
    meaning = "The path exists, and not for this method. The header `Allow` names those it has."
    remedy = "Use one of them."


class RequestTimeoutError(SojournError):
    status = 408
    code = "request_timeout"
    meaning = "The body did not arrive in time."
    remedy = "Repeat it, over a better line or in smaller batches."


class ConflictError(SojournError):
    status = 409
    code = "conflict"
    meaning = "The state does not allow it. `state` names it, and `allowed` what is possible now."
    remedy = "Do one of these first, or nothing where the state is what you want."


class ApprovalStateError(ConflictError):
    code = "approval_not_waiting"
    meaning = (
        "The approval was decided already, has expired, or is of an earlier state of the campaign. `state` says which."
    )
    remedy = "Request the change again, where it is still wanted: that makes another approval."


class IdempotencyInProgressError(ConflictError):
    code = "idempotency_in_progress"
    meaning = "A request under this Idempotency-Key is being carried out."
    remedy = "Repeat it after `Retry-After`: you will be given its answer."


class IdempotencyAnswerLostError(ConflictError):
    code = "idempotency_answer_lost"
    meaning = "A request under this Idempotency-Key was interrupted after its message may have been handed over."
    remedy = "Look whether it was done. Make a new key to do it again."


class PlanOutdatedError(ConflictError):
    code = "plan_outdated"
    meaning = (
        "The campaign, or the document, is not as it was planned. The members say how it stands; `plan` is the hash."
    )
    remedy = "Plan again, look at what has changed, and apply that."


class OutdatedCursorError(SojournError):
    status = 410
    code = "outdated_cursor"
    meaning = "The database was restored from a backup since the stream gave this cursor. Reading on would skip rows."
    remedy = "Read the stream again without `after`, and drop what you have by its id."


class PreconditionFailedError(SojournError):
    status = 412
    code = "precondition_failed"
    meaning = "The document has changed since you read it. `current` is its ETag now."
    remedy = "Read it again, and decide again."


class PayloadTooLargeError(SojournError):
    status = 413
    code = "payload_too_large"
    meaning = "The body is larger than allowed. `limit` is the bound, in bytes."
    remedy = "Send less at once."


class UnsupportedMediaTypeError(SojournError):
    status = 415
    code = "unsupported_media_type"
    meaning = "The body is not said to be JSON."
    remedy = "Send it with `Content-Type: application/json`."


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem or a warning of a document: file, 1-based line, path, and a remedy."""

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
    meaning = "The document is wrong. `problems` has everything at once: file, line, path, message, suggestion."
    remedy = "Correct each as its suggestion says."

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} problem{'s' if len(problems) != 1 else ''} in the document")
        self.problems = problems


class InvalidCursorError(SojournError):
    status = 422
    code = "invalid_cursor"
    meaning = "The cursor is none that this list has given."
    remedy = "Pass `next` of the page before as it is, or leave it out for the first page."


class IdempotencyKeyReusedError(SojournError):
    status = 422
    code = "idempotency_key_reused"
    meaning = "This Idempotency-Key was used for another request: another path, body or If-Match."
    remedy = "Make a new key for each thing that you want done."


class RateLimitedError(SojournError):
    status = 429
    code = "rate_limited"
    meaning = "The key was used for more `unit` (requests, events, bytes) a second than `limit`."
    remedy = "Repeat it after `Retry-After`. Report events in batches."


class HeadersTooLargeError(SojournError):
    status = 431
    code = "headers_too_large"
    meaning = "The request line and headers have more bytes than `limit`, or there are more than `max_headers`."
    remedy = "Send fewer and shorter headers, and long values in the body."


class UnavailableError(SojournError):
    status = 503
    code = "unavailable"
    meaning = "Something that is needed does not answer, most likely the database."
    remedy = "Repeat it after `Retry-After`."


class OverloadedError(UnavailableError):
    code = "overloaded"
    meaning = "This API process has as many requests as it can serve in time."
    remedy = "Repeat it after `Retry-After`, which differs so that not all come at once. If it stays, run more of them."


def every_error() -> Iterator[type[SojournError]]:
    """Iterate over the error tree, parents first, without the API client's own errors."""
    waiting: list[type[SojournError]] = [SojournError]
    while waiting:
        error = waiting.pop()
        yield error
        waiting.extend(child for child in reversed(error.__subclasses__()) if child.__module__ == __name__)
