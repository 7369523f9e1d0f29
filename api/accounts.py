"""Accounts: one with its traits, and its members."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field
from starlette.convertors import PathConvertor, register_url_convertor

from api.auth import Reader, allow
from api.dependencies import ResponseModel, TextField, Using, example
from api.pages import DEFAULT_LIMIT, After, Limit, cut, position
from api.person_models import PersonalValue
from api.personal_fields import PeopleAnswer
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import NotFoundError


class AccountPathConvertor(PathConvertor):
    """The rest of a path, which may hold slashes, unless it ends with the members."""

    regex = "(?!.*/members$).*"


register_url_convertor("account", AccountPathConvertor())
router = APIRouter(
    prefix="/v1/accounts", tags=["Accounts"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

_AT: Final = "2026-11-22T08:00:00Z"
_ACCOUNT: dict[str, Any] = {
    "id": "acme",
    "traits": {"plan": {"value": "team", "at": _AT, "source": "event", "by": "backend", "is_verified": True}},
    "members": 12,
    "created_at": "2026-11-01T10:00:00Z",
    "updated_at": _AT,
}
_MEMBER: dict[str, Any] = {
    "profile_id": "019a4d6c-1111-7c31-9b0e-5f1f6f0c9a11",
    "user_id": "u-4711",
    "anonymous_id": None,
    "role": "admin",
    "stated_at": _AT,
}

AccountId = Annotated[
    TextField,
    Path(
        min_length=1,
        max_length=255,
        description="The `groupId` of the calls, percent-encoded: `a/b` is `a%2Fb`. A plain slash is taken as well.",
        examples=["acme"],
    ),
]


class Account(PeopleAnswer):
    model_config = example(_ACCOUNT)

    id: str = Field(description="the `groupId` of the calls")
    traits: dict[str, PersonalValue]
    members: int = Field(description="the number of members")
    created_at: datetime
    updated_at: datetime = Field(description="when its traits were last stated")


class AccountMember(ResponseModel):
    profile_id: UUID = Field(description="Sojourn's own id of the member")
    user_id: str | None
    anonymous_id: str | None = Field(description="of a member without a user id: the first of them")
    role: str | None = Field(examples=["admin"])
    stated_at: datetime | None = Field(description="when the membership was last stated; null if unknown")


class AccountMemberPage(ResponseModel):
    model_config = example({"members": [_MEMBER], "next": None})

    members: list[AccountMember]
    next: str | None = Field(description="pass it as `after`; null at the end")


@router.get("/{account_id:path}/members", responses=refusals(NotFoundError))
async def list_members(
    account_id: AccountId,
    services: Using,
    by: Reader,
    role: Annotated[TextField | None, Query(min_length=1, max_length=255, examples=["admin"])] = None,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> AccountMemberPage:
    """The members of an account, perhaps only those of a role."""
    rows = await services.accounts.members(account_id, role=role, limit=limit + 1, after=position(after, UUID), by=by)
    members, next = cut(rows, limit, lambda member: member.profile_id)
    return AccountMemberPage(members=[AccountMember.model_validate(each) for each in members], next=next)


@router.get("/{account_id:account}", responses=refusals(NotFoundError))
async def get_account(account_id: AccountId, services: Using, by: Reader) -> Account:
    """One account: its traits with their sources, and the number of its members."""
    return Account.model_validate(await services.accounts.get(account_id, by=by))
