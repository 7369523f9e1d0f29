"""The socket of an action: the author's model, the rule, and its effects."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, Literal

from msgspec import Struct, field, to_builtins

from domain.campaign.expression_fields import Computed
from domain.campaign.steps.model import StepModel
from domain.conditions.expressions import EvaluationTime, ExpressionScope, ValueExpression, compile_value
from domain.document.yaml_source import Path
from domain.tracking.event import Event, Trigger, Trust

# Texts of a client's context, whose sender the profile does not keep.
_OF_CLIENTS: Final = frozenset(
    {
        *("profile.locale", "profile.timezone", "profile.app_version", "profile.country", "profile.region"),
        *("profile.first_referrer", "profile.last_referrer", "profile.first_campaign", "profile.last_campaign"),
        # Pages say them without a user token, too.
        *("journey.answers", "journey.clicks"),
    }
)


class SetTraits(Struct, frozen=True):
    """Set traits of the profile. Those in `unverified` are made of unverified values."""

    traits: dict[str, Any]
    unverified: frozenset[str] = frozenset()


class SetStage(Struct, frozen=True):
    """Set the lifecycle stage of the profile."""

    stage: str


class ChangeAudience(Struct, frozen=True):
    """Want the person in an audience from now on, or no more."""

    name: str
    is_wanted: bool


class EmitEvent(Struct, frozen=True):
    """Report an event about the user. `chain` counts the journeys that led to it.

    It `is_unverified` if its properties may hold unverified values.
    """

    name: str
    properties: dict[str, Any]
    chain: int
    is_unverified: bool = False


# A closed set: `application.effects` carries each of them out.
Effect = SetTraits | SetStage | ChangeAudience | EmitEvent


class Effects(Struct, frozen=True):
    """The effects of an action, with `errors` by name; a refusal has `reason`, `data`."""

    effects: tuple[Effect, ...] = ()
    errors: dict[str, str] = {}
    outcome: Literal["done", "refused"] = "done"
    reason: str | None = None
    data: dict[str, Any] = {}


class ActionFacts(Struct, frozen=True):
    """The facts that a rule may use: the roots of conditions, and their instant.

    A browser may have stated the `unverified` traits and computed traits without a user token. Others have stated the
    `verified` traits.
    """

    time: EvaluationTime
    profile: Any
    account: Any
    entry: Event
    journey: Any
    unverified: frozenset[str] = frozenset()
    unverified_computed: frozenset[str] = frozenset()
    verified: frozenset[str] = frozenset()


class ActionRule(Struct, frozen=True, tag_field="kind", omit_defaults=True):
    """The rule of an action. It decides, and changes nothing."""

    @abstractmethod
    def effects(self, facts: ActionFacts) -> Effects:
        """Decide what the action does."""

    @property
    def causes(self) -> tuple[Trigger, ...]:
        """The triggers of events that the action reports, or may cause by a change."""
        return ()

    @property
    def kind(self) -> str:
        """The kind of the step, as decisions and the timeline name it."""
        return str(self.__struct_config__.tag)


class ValuesRule(Struct, frozen=True, omit_defaults=True):
    """Values by name: some plain, others computed by an expression."""

    plain: dict[str, Any] = field(default_factory=dict)
    computed: dict[str, str] = field(default_factory=dict)

    def evaluate(self, facts: ActionFacts) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the values by name, and by name the errors of the others."""
        values, errors = dict(self.plain), {}
        for name, text in self.computed.items():
            value, error, _ = compile_value(text, ExpressionScope.VALUE).evaluate(
                facts.time, profile=facts.profile, account=facts.account, entry=facts.entry, journey=facts.journey
            )
            if error is None:
                # The database and an emitted event hold an instant as text.
                values[name] = to_builtins(value)
            else:
                errors[name] = error
        return values, errors

    def find_unverified(self, facts: ActionFacts) -> frozenset[str]:
        """Return the names whose expressions read what a browser may have said."""
        return frozenset(
            name
            for name, text in self.computed.items()
            if _is_unverified(compile_value(text, ExpressionScope.VALUE), facts)
        )


def _is_unverified(expression: ValueExpression, facts: ActionFacts) -> bool:
    return not expression.computed.isdisjoint(facts.unverified_computed) or any(
        _is_unverified_value(path, facts) for path in expression.values
    )


def _is_unverified_value(path: tuple[str, ...], facts: ActionFacts) -> bool:
    variable, *keys = path
    if variable == "profile.traits":
        return keys[0] in facts.unverified if keys else bool(facts.unverified)
    if variable.startswith("entry."):
        return facts.entry.trust is not Trust.VERIFIED
    return variable in _OF_CLIENTS


def values_rule(values: Mapping[str, Any]) -> ValuesRule:
    """Compile the values of a document."""
    return ValuesRule(
        plain={name: value for name, value in values.items() if not isinstance(value, Computed)},
        computed={name: value.cel for name, value in values.items() if isinstance(value, Computed)},
    )


class ActionStep(StepModel):
    """A step that does one thing at once and goes on."""

    rule_type: ClassVar[type[ActionRule]]

    id: str

    @abstractmethod
    def rule(self) -> ActionRule:
        """Compile the step."""

    @classmethod
    def raw_values(cls, step: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
        """Iterate over the values that a raw step sets, each with its path in the step."""
        yield from ()
