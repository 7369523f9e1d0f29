"""The devices of a user, at which push services reach them."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from api.auth import allow_server
from api.dependencies import ChangedPersonPath, RequestModel, TextField, Using, example
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import InvalidRequestError, NotFoundError
from domain.people.device_addresses import MAX_ADDRESS_CHARACTERS, AddressKind, ApnsEnvironment, DeviceAddress

router = APIRouter(
    prefix="/v1/users", tags=["Users"], dependencies=[Depends(allow_server(Scope.INGEST))], route_class=Route
)

_DEVICE: dict[str, Any] = {"kind": "token", "value": "fMEP0vJqS0:APA91bHqX", "app": "com.example.shop"}
DeviceId = Annotated[
    TextField,
    Path(
        min_length=1,
        max_length=255,
        description="The client's own, as in `context.device.id`: one for each installation of an app, or browser.",
        examples=["5f0c6a1e-6a0e-4d39"],
    ),
]


class SubscriptionKeys(RequestModel):
    p256dh: TextField
    auth: TextField


class DeviceRequest(RequestModel):
    model_config = example(_DEVICE)

    kind: AddressKind = Field(
        description="`token` or `fid` of Firebase, `apns` of Apple's, `endpoint` of a browser's subscription"
    )
    value: Annotated[TextField, Field(min_length=1, max_length=MAX_ADDRESS_CHARACTERS)] = Field(
        description="the token, or the endpoint"
    )
    app: Annotated[TextField, Field(max_length=255)] = Field(
        "", description="the app of the device, for Apple's its bundle: a device has one address for each"
    )
    keys: SubscriptionKeys | None = Field(None, description="those of a subscription, as the browser gives them")
    environment: ApnsEnvironment | None = Field(None, description="of a token of Apple's; left out, both are tried")

    def address(self, device_id: str, seen_at: datetime) -> DeviceAddress:
        """Return the address of a device."""
        return DeviceAddress(
            value=self.value,
            kind=self.kind,
            seen_at=seen_at,
            app=self.app,
            device_id=device_id,
            environment=self.environment,
            keys=None if self.keys is None else self.keys.model_dump(),
        )


@router.put(
    "/{user_id:path}/devices/{device_id}", status_code=204, responses=refusals(NotFoundError, InvalidRequestError)
)
async def register_device(
    person: ChangedPersonPath, device_id: DeviceId, request: DeviceRequest, services: Using
) -> None:
    """Register a device of this user, or its new token.

    A token leaves its former user: a phone whose user changes has the pushes of the new one only.
    """
    await services.devices.register(person, request.address(device_id, await services.now()))


@router.delete("/{user_id:path}/devices/{device_id}", status_code=204, responses=refusals(NotFoundError))
async def remove_device(person: ChangedPersonPath, device_id: DeviceId, services: Using) -> None:
    """Remove a device, as its user logs out.

    Nothing is handed over to it from then on.
    """
    await services.devices.remove(person, device_id)
