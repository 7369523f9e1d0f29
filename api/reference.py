"""The front page of the API, and explanations of problem codes."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Path
from pydantic import Field

from api.dependencies import ResponseModel, example
from api.problems import refusals, type_of
from domain.errors import InvalidRequestError, NotFoundError, SojournError, every_error

router = APIRouter(tags=["Reference"])

_ERRORS: dict[str, Any] = {error.code: error for error in every_error()}


class Front(ResponseModel):
    model_config = example(
        {
            "name": "Sojourn",
            "documentation": "/docs",
            "openapi": "/openapi.json",
            "problems": "/problems",
            "readiness": "/readyz",
        }
    )

    name: str = "Sojourn"
    documentation: str = "/docs"
    openapi: str = "/openapi.json"
    problems: str = "/problems"
    readiness: str = "/readyz"


_NOT_FOUND: dict[str, Any] = {
    "type": "/problems/not_found",
    "title": "Not Found",
    "status": 404,
    "code": "not_found",
    "meaning": NotFoundError.meaning,
    "remedy": NotFoundError.remedy,
}


class ProblemType(ResponseModel):
    model_config = example(_NOT_FOUND)

    type: str
    title: str
    status: int
    code: str
    meaning: str
    remedy: str = Field(description="what to do")


class ProblemTypes(ResponseModel):
    model_config = example({"problems": [_NOT_FOUND]})

    problems: list[ProblemType]


@router.get("/", responses=refusals(SojournError))
async def front() -> Front:
    """Links to start with."""
    return Front()


@router.get("/problems", responses=refusals(SojournError))
async def problem_types() -> ProblemTypes:
    """Every code that a problem of this API may have."""
    return ProblemTypes(problems=[_problem_type(error) for error in _ERRORS.values()])


@router.get("/problems/{code}", responses=refusals(NotFoundError, InvalidRequestError, SojournError))
async def problem_type(code: str = Path(examples=["not_found"])) -> ProblemType:
    """The meaning of a code, and its remedy. The `type` of each problem links here."""
    if code not in _ERRORS:
        raise NotFoundError(f"no problem has the code {code}; /problems lists those that there are")
    return _problem_type(_ERRORS[code])


def _problem_type(error: type[SojournError]) -> ProblemType:
    return ProblemType(
        type=type_of(error.code),
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        code=error.code,
        meaning=error.meaning,
        remedy=error.remedy,
    )
