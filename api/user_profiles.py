"""People: one with all that is known, and searches."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from msgspec import UNSET

from api.auth import Operator, Reader, allow
from api.dependencies import ChangedPersonPath, PersonPath, TextField, Using
from api.entity_tags import IfMatch, Tag, Tagged
from api.pages import DEFAULT_LIMIT, After, Limit, cursor, position
from api.person_models import ListedUser, User, UserChangeRequest, UserList
from api.personal_fields import require_people
from api.problems import refusals
from api.routes import Route
from api.user_paths import WHOLE_PERSON
from application.person_views import PersonView
from domain.access import Scope
from domain.errors import InvalidCursorError, NotFoundError
from domain.people.operator_changes import OperatorChanges

router = APIRouter(prefix="/v1/users", tags=["Users"], dependencies=[Depends(allow(Scope.READ))], route_class=Route)

SearchText = Annotated[TextField, Query(min_length=1, max_length=1024)]


@router.get("", responses=refusals(InvalidCursorError))
async def find_users(
    services: Using,
    by: Reader,
    id: Annotated[
        SearchText | None,
        Query(description="an id of any kind: of a user, anonymous, or of another system", examples=["u-4711"]),
    ] = None,
    address: Annotated[
        SearchText | None, Query(description="on any channel, in any letter case", examples=["ada@example.com"])
    ] = None,
    trait: Annotated[
        SearchText | None, Query(description="the name of a trait; with `value`", examples=["plan"])
    ] = None,
    value: Annotated[
        SearchText | None, Query(description="the trait's value: `5` finds the number and the text", examples=["pro"])
    ] = None,
    stage: Annotated[SearchText | None, Query(examples=["conversion"])] = None,
    segment: Annotated[SearchText | None, Query(description="the key of a segment", examples=["vip"])] = None,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> UserList:
    """Users that match all that is given, newest first.

    Ids, addresses and segments are looked up. Traits and stages have no index: a page examines 10,000 people and may
    have no match, so follow `next` until it is null.
    """
    if address is not None or trait is not None or value is not None:
        require_people("a search by an address or a trait")
    found = await services.users.find(
        id=id,
        address=address,
        trait=trait,
        value=value,
        stage=stage,
        segment=segment,
        limit=limit,
        after=position(after, UUID),
        by=by,
    )
    return UserList(
        users=[ListedUser.model_validate(person) for person in found.people],
        next=None if found.next is None else cursor(found.next),
    )


@router.get(WHOLE_PERSON, responses=refusals(NotFoundError))
async def get_user(person: PersonPath, services: Using, by: Reader, tag: Tagged) -> User:
    """One user: traits with their sources, ids, consent with its log, and journeys.

    The audit log records each reader of a user, once a day.
    """
    return _answer(await services.users.get(person, by=by), tag)


@router.patch(WHOLE_PERSON, responses=refusals(NotFoundError))
async def change_user(
    person: ChangedPersonPath, changes: UserChangeRequest, services: Using, by: Operator, if_match: IfMatch, tag: Tagged
) -> User:
    """Change traits, consent, suppressions and the stage: all or nothing.

    The rules are those of an identify. Traits and consent are reported as an event of the source `sojourn`, which
    campaigns hear. An id that no call has named is 404: an identify makes a person of it.
    """
    view = await services.change_user(
        person,
        OperatorChanges(
            changes.traits,
            changes.consent,
            changes.suppressed,
            changes.stage if "stage" in changes.model_fields_set else UNSET,
        ),
        if_match=if_match,
        by=by,
    )
    return _answer(view, tag)


def _answer(view: PersonView, tag: Tag) -> User:
    # Not the instant of the answer.
    timeless = User.model_validate(replace(view, computed=replace(view.computed, as_of=view.updated_at)))
    # Made of what is shown: guesses at masked values could be compared with a digest of them.
    tag.set(view.revision, timeless.model_dump_json())
    return User.model_validate(view)
