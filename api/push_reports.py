"""Reports of devices about notifications, by an address in each of them."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query

from api.dependencies import TextField, Using
from api.problems import refusals
from application.device_reports import DeviceReportKind
from domain.errors import InvalidLinkError, InvalidRequestError, OverloadedError, SojournError, UnavailableError

router = APIRouter(tags=["Recipients"])

ReportToken = Annotated[
    TextField, Path(description="the signed token of the message", examples=["C5w6UmoOW26dVzovb29vYP0q6W2oV1Dgwa"])
]
ACTION: Final = r"^[A-Za-z][A-Za-z0-9_]{0,39}$"


@router.post(
    "/p/{token}/{kind}",
    status_code=204,
    responses=refusals(InvalidLinkError, InvalidRequestError, OverloadedError, UnavailableError, SojournError),
)
async def report_push(
    token: ReportToken,
    kind: Annotated[DeviceReportKind, Path(examples=["opened"])],
    services: Using,
    action: Annotated[
        str | None, Query(pattern=ACTION, description="the action that was pressed", examples=["buy"])
    ] = None,
) -> None:
    """Take what a device did with a notification: showed it, opened or dismissed it.

    The first of each kind counts. Anyone who has the notification can report about it, and about no other.
    """
    await services.device_reports.report(token, kind, action)
