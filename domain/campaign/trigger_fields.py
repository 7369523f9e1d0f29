"""The fields by which authors name events, one for each kind of trigger."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field, TypeAdapter, ValidationError, create_model

from domain.campaign.schema import DocumentModel, Given
from domain.campaign.triggers.kinds import TRIGGERS
from domain.tracking.event import Trigger

TRIGGER_KEYS: Final = tuple(kind.key for kind in TRIGGERS)
_ADAPTERS: Final[dict[str, TypeAdapter[Any]]] = {kind.key: TypeAdapter(kind.field) for kind in TRIGGERS}


class TriggerModel(DocumentModel):
    """A mapping that names events, by exactly one of the keys of TRIGGERS."""

    @property
    def trigger(self) -> Trigger | None:
        """The trigger that is named; None if there is none."""
        names = ((kind, getattr(self, kind.key)) for kind in TRIGGERS)
        return next((Trigger(kind.kind, name) for kind, name in names if name is not None), None)


# Type checkers cannot read fields made from a tuple, so they see the base class.
if TYPE_CHECKING:
    TriggerFields = TriggerModel
else:
    TriggerFields = create_model(
        "TriggerFields",
        __base__=TriggerModel,
        **{
            kind.key: (Annotated[kind.field | None, Given], Field(None, description=kind.description))
            for kind in TRIGGERS
        },
    )


def one_trigger(*others: dict[str, Any]) -> dict[str, Any]:
    """Describe for editors that exactly one key stands here, or one of `others`."""
    return {"oneOf": [*({"required": [key]} for key in TRIGGER_KEYS), *others]}


def raw_triggers(holder: Mapping[str, Any]) -> Iterator[tuple[str, Trigger]]:
    """Iterate over the valid triggers of a raw mapping, each with its key."""
    for kind in TRIGGERS:
        if kind.key in holder:
            with suppress(ValidationError):
                yield kind.key, Trigger(kind.kind, _ADAPTERS[kind.key].validate_python(holder[kind.key], strict=True))
