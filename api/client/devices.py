"""The devices of the user of a token, at which push services reach them."""

from fastapi import APIRouter, Depends

from api.auth import allow
from api.client.callers import Caller, ClientRoute, UserCaller
from api.dependencies import Using
from api.devices import DeviceId, DeviceRequest
from api.problems import refusals
from domain.access import Scope
from domain.errors import InvalidRequestError, NotFoundError
from domain.people.identity import PersonRef

router = APIRouter(
    prefix="/v1/client/devices",
    tags=["Client"],
    dependencies=[Depends(allow(Scope.CLIENT))],
    route_class=ClientRoute,
)


@router.put("/{device_id}", status_code=204, responses=refusals(NotFoundError, InvalidRequestError))
async def register_own_device(device_id: DeviceId, request: DeviceRequest, caller: UserCaller, services: Using) -> None:
    """Register a device of the user of the token, or its new address.

    An address leaves its former user: a phone whose user changes has the pushes of the new one only.
    """
    await services.devices.register(_person(caller), request.address(device_id, await services.now()))


@router.delete("/{device_id}", status_code=204, responses=refusals(NotFoundError))
async def remove_own_device(device_id: DeviceId, caller: UserCaller, services: Using) -> None:
    """Remove a device, as its user logs out.

    Nothing is handed over to it from then on.
    """
    await services.devices.remove(_person(caller), device_id)


def _person(caller: Caller) -> PersonRef:
    return PersonRef(caller.identity.value, caller.identity.kind)
