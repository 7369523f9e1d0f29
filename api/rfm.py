"""Scores of buyers: numbers of segments, moves, and new breakpoints."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.auth import Operator, allow
from api.dependencies import InstantField, RequestModel, ResponseModel, Using, example
from api.operations import Operation
from api.problems import refusals
from api.routes import Route
from application.rfm import DEFAULT_DAYS
from domain.access import Scope
from domain.errors import ConflictError, NotFoundError
from domain.people.rfm.value import OrderModel, SpendModel, ValueModel

router = APIRouter(prefix="/v1/rfm", tags=["RFM scores"], dependencies=[Depends(allow(Scope.READ))], route_class=Route)

_BREAKPOINTS: dict[str, Any] = {
    "recency": [9, 24, 61, 148],
    "frequency": [1, 1, 2, 4],
    "monetary": [29.9, 58.0, 96.5, 210.0],
}
_SEGMENT: dict[str, Any] = {
    "key": "rfm.champions",
    "name": "Champions",
    "recency": [5, 5],
    "frequency": [4, 5],
    "people": 71,
    "average_spent": 312.4,
}
_CELL: dict[str, Any] = {"recency": 5, "frequency": 5, "people": 38, "average_spent": 402.1}
_MOVE: dict[str, Any] = {"before": "loyal", "after": "at-risk", "people": 12, "moves": 12}
_NUMBERS: dict[str, Any] = {
    "as_of": "2026-12-01T23:00:01Z",
    "buyers": 1204,
    "refusal": None,
    "breakpoints": _BREAKPOINTS,
    "segments": [_SEGMENT],
    "cells": [_CELL],
    "days": 7,
    "moves": [_MOVE],
}


_BUYER: dict[str, Any] = {"ages": [41.2, 12.7], "spent": [[41.2, 29.9], [12.7, 58.0]]}
_ORDERS: dict[str, Any] = {"as_of": "2026-12-01T08:00:00Z", "window_days": 365.0, "buyers": [_BUYER]}
_MODEL: dict[str, Any] = {
    "as_of": "2026-12-01T08:00:00Z",
    "orders": {"r": 0.24, "alpha": 31.0, "a": 0.79, "b": 2.43},
    "spend": {"p": 6.2, "q": 3.7, "gamma": 15.4},
    "days": 121.7,
}


class RfmBreakpoints(ResponseModel):
    model_config = example(_BREAKPOINTS)

    recency: list[int] = Field(description="whole days since the last order: up to the first is a score of 5")
    frequency: list[int] = Field(description="orders: up to the first is a score of 1")
    monetary: list[float] | None = Field(description="sums: up to the first is a score of 1; null for too equal ones")


class RfmSegment(ResponseModel):
    model_config = example(_SEGMENT)

    key: str = Field(description="as conditions and triggers name it")
    name: str
    recency: tuple[int, int] = Field(description="its scores, from the least to the most")
    frequency: tuple[int, int]
    people: int = Field(description="in it now")
    average_spent: float | None = Field(description="of its buyers, as of the scores; null without any")


class RfmCell(ResponseModel):
    model_config = example(_CELL)

    recency: int
    frequency: int
    people: int = Field(description="as of the scores")
    average_spent: float


class RfmMove(ResponseModel):
    model_config = example(_MOVE)

    before: str | None = Field(description="the segment without its prefix; null for new buyers")
    after: str
    people: int
    moves: int


class RfmNumbers(ResponseModel):
    model_config = example(_NUMBERS)

    as_of: datetime | None = Field(description="the instant of the breakpoints and of the cells; null before the first")
    buyers: int = Field(description="people with an order in the window, as of the scores")
    refusal: str | None = Field(description="why there are no scores")
    breakpoints: RfmBreakpoints | None
    segments: list[RfmSegment]
    cells: list[RfmCell] = Field(
        description="the buyers by scores of recency and frequency; those without any left out"
    )
    days: int
    moves: list[RfmMove] = Field(description="between segments in these days, those of most people first")


class SampledOrders(ResponseModel):
    model_config = example(_BUYER)

    ages: list[float] = Field(description="days since each order")
    spent: list[tuple[float, float]] = Field(description="days since an order with a value, and that value")


class RfmOrders(ResponseModel):
    model_config = example(_ORDERS)

    as_of: datetime
    window_days: float = Field(description="`within` of the document", examples=[365.0])
    buyers: list[SampledOrders] = Field(description="without ids, in the order of a hash")


Parameter = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]


class OrderParameters(RequestModel):
    model_config = example(_MODEL["orders"])

    r: Parameter
    alpha: Parameter
    a: Parameter
    b: Parameter


class SpendParameters(RequestModel):
    model_config = example(_MODEL["spend"])

    p: Parameter
    q: Annotated[Parameter, Field(gt=1, description="the mean of all is finite from 1 on")]
    gamma: Parameter


class ValueModelRequest(RequestModel):
    model_config = example(_MODEL)

    as_of: Annotated[InstantField, Field(description="the instant of the orders that it was fitted to")]
    orders: Annotated[OrderParameters, Field(description="of BG/NBD, in days")]
    spend: Annotated[SpendParameters, Field(description="of the Gamma-Gamma model")]
    days: Annotated[float, Field(gt=0, le=366, description="the days ahead for which it has been tested")]


@router.get("/scores", responses=refusals(NotFoundError))
async def get_rfm_scores(
    services: Using,
    days: Annotated[int, Query(ge=1, le=366, description="moves of so many days", examples=[7])] = DEFAULT_DAYS,
) -> RfmNumbers:
    """The buyers by scores: breakpoints, segments, cells and moves.

    Breakpoints and cells are as of the last scores; people move between segments at any time.
    """
    found = await services.rfm.numbers(days)
    return RfmNumbers(
        as_of=found.as_of,
        buyers=found.buyers,
        refusal=found.refusal,
        breakpoints=None if found.breakpoints is None else RfmBreakpoints.model_validate(found.breakpoints),
        segments=[RfmSegment.model_validate(segment) for segment in found.segments],
        cells=[
            RfmCell(
                recency=cell.recency,
                frequency=cell.frequency,
                people=cell.people,
                average_spent=cell.spent / cell.people,
            )
            for cell in found.cells
        ],
        days=found.days,
        moves=[RfmMove.model_validate(move) for move in found.moves],
    )


@router.post("/recompute", status_code=202, responses=refusals(NotFoundError))
async def recompute_rfm(services: Using, by: Operator) -> Operation:
    """Compute the breakpoints now, in an operation, without waiting for midnight.

    Its count is `buyers`. People move by the new breakpoints as they do at night.
    """
    return Operation.model_validate(await services.rfm.recompute(by))


@router.get("/orders", responses=refusals(NotFoundError, ConflictError))
async def get_rfm_orders(
    services: Using,
    sample: Annotated[int, Query(ge=1, le=50_000, description="how many buyers", examples=[20_000])] = 20_000,
) -> RfmOrders:
    """The orders of buyers drawn at random, for a model of their value.

    `sojourn rfm value` fits one. Orders of the window count, 4,096 of a buyer at most. Fewer buyers are drawn if they
    have 500,000 orders together.
    """
    return RfmOrders.model_validate(await services.rfm.draw_orders(sample))


@router.put("/model", status_code=204, responses=refusals(NotFoundError, ConflictError))
async def keep_rfm_model(request: ValueModelRequest, services: Using, by: Operator) -> None:
    """Keep a fitted model, by which users are shown what is expected of them.

    It is for `sojourn rfm value --keep`, which tests the model before. Orders that were drawn before the rule in force
    was applied are refused.
    """
    orders = OrderModel(**request.orders.model_dump())
    spend = SpendModel(**request.spend.model_dump())
    await services.rfm.keep_model(request.as_of, ValueModel(orders, spend, request.days), by)
