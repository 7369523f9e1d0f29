"""Files that mails attach: stored by their hash."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic import Field

from api.auth import Author, allow
from api.dependencies import ResponseModel, Using, example
from api.limits import read_body
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import NotFoundError, PayloadTooLargeError, RequestTimeoutError
from domain.sending.attachment import MAX_FILE_BYTES

router = APIRouter(
    prefix="/v1/attachments", tags=["Campaigns"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

_FILE: dict[str, Any] = {
    "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    "size": 5,
    "stored_at": "2026-11-01T10:00:00Z",
}
FileHash = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", examples=[_FILE["sha256"]])]


class AttachmentFile(ResponseModel):
    """A stored file. One that no campaign has is deleted after seven days."""

    model_config = example(_FILE)

    sha256: str = Field(description="its hash, by which a template names it")
    size: int = Field(description="in bytes")
    stored_at: datetime = Field(description="when it was stored, or last published")


@router.post(
    "",
    responses=refusals(RequestTimeoutError, PayloadTooLargeError),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}, "example": "%PDF-1.7"}
            },
        }
    },
)
async def store_file(request: Request, services: Using, by: Author) -> AttachmentFile:
    """Store a file, at most 4 MB. The same file is stored once.

    Among a campaign's templates, `attachments/NAME` is the text `sha256:HASH SIZE`.
    """
    data = await read_body(request, MAX_FILE_BYTES)
    return AttachmentFile.model_validate(await services.attachments.store(data))


@router.get("/{sha256}", responses=refusals(NotFoundError))
async def show_file(sha256: FileHash, services: Using) -> AttachmentFile:
    """Tell whether a file is stored."""
    return AttachmentFile.model_validate(await services.attachments.find(sha256))
