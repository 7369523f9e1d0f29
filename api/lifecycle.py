"""The life cycle as people live it."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.auth import allow
from api.dependencies import InstantField, ResponseModel, Using, example
from api.problems import refusals
from api.routes import Route
from domain.access import Scope
from domain.errors import InvalidRequestError, NotFoundError

router = APIRouter(
    prefix="/v1/lifecycle", tags=["Life cycle"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

_MESSAGE: dict[str, Any] = {"campaign": "second-purchase", "step": "voucher", "moves": 31}
_MOVE: dict[str, Any] = {
    "before": "conversion",
    "after": "retention",
    "moves": 120,
    "people": 118,
    "share": 0.77,
    "median_days": 12.5,
    "is_designed": True,
    "messages": [_MESSAGE],
}
_DEVIATION = {
    **_MOVE,
    "after": "at-risk",
    "moves": 36,
    "people": 36,
    "share": 0.23,
    "is_designed": False,
    "messages": [],
    "text": "23 % go conversion > at-risk, drawn nowhere",
}
_FLOW = {
    "begin": "2026-11-01T00:00:00Z",
    "end": "2026-12-01T00:00:00Z",
    "stages": [{"key": "conversion", "name": "First order"}, {"key": "retention", "name": "Orders again"}],
    "entered": {"reach": 412},
    "moves": [_MOVE, {key: value for key, value in _DEVIATION.items() if key != "text"}],
    "designed_share": 0.77,
    "deviations": [_DEVIATION],
    "unused": [["retention", "loyalty"]],
}


class FlowStage(ResponseModel):
    key: str = Field(examples=["conversion"])
    name: str = Field(examples=["First order"])


class MoveMessage(ResponseModel):
    model_config = example(_MESSAGE)

    campaign: str
    step: str
    moves: int = Field(description="moves before which its message was the last, within the campaign's goal window")


class StageMove(ResponseModel):
    model_config = example(_MOVE)

    before: str
    after: str
    moves: int
    people: int
    share: float = Field(description="of all moves out of the stage")
    median_days: float | None = Field(description="in the stage that is left; null if no whole stay was observed")
    is_designed: bool
    messages: list[MoveMessage] = Field(description="the most moves first")


class Deviation(StageMove):
    model_config = example(_DEVIATION)

    text: str = Field(description="the move in a sentence")


class LifecycleFlow(ResponseModel):
    model_config = example(_FLOW)

    begin: datetime
    end: datetime
    stages: list[FlowStage] = Field(description="in their order")
    entered: dict[str, int] = Field(description="people who came into the life cycle, by their first stage")
    moves: list[StageMove] = Field(description="in the order of stages; those that a new definition made are left out")
    designed_share: float | None = Field(description="the share of moves that are designed; null without moves")
    deviations: list[Deviation] = Field(description="moves that are not designed, the most frequent first")
    unused: list[tuple[str, str]] = Field(description="designed moves that did not happen")


@router.get("/flow", responses=refusals(InvalidRequestError, NotFoundError))
async def get_lifecycle_flow(
    services: Using,
    begin: Annotated[
        InstantField | None, Query(alias="from", description="moves from then on; 30 days before the end if left out")
    ] = None,
    end: Annotated[InstantField | None, Query(alias="to", description="moves before then; now if left out")] = None,
) -> LifecycleFlow:
    """The moves of people between stages, compared with the designed ones."""
    found = await services.lifecycle.flow(begin, end)
    flow = found.flow
    return LifecycleFlow(
        begin=found.begin,
        end=found.end,
        stages=[FlowStage.model_validate(stage) for stage in found.stages],
        entered=flow.entered,
        moves=[StageMove.model_validate(move) for move in flow.moves],
        designed_share=flow.designed_share,
        deviations=[Deviation.model_validate(move) for move in flow.deviations],
        unused=list(flow.unused),
    )
