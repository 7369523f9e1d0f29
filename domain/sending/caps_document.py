"""The frequency-cap document: one for the whole deployment."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from domain.campaign.durations import EXPECTED, MAX_SECONDS, DurationError, format_duration, parse_duration
from domain.campaign.schema import WHOLE, DocumentModel, Given, Listed, Slug, pattern_check, quote_value, refuse
from domain.campaign.schema_errors import validate
from domain.campaign.steps.send import ChannelName
from domain.campaign.time_fields import DURATION
from domain.document.yaml_source import YamlSource, read
from domain.errors import InvalidDocumentError, Problem
from domain.local_time.periods import Period
from domain.sending.budgets import BudgetScope, MoneyBudget
from domain.sending.caps import MAX_PERIOD_SECONDS, ONE_TIME_CODE, TRANSACTIONAL, CapRule, is_transactional
from domain.sending.money import Amount, Currency, to_units
from domain.suggestions import did_you_mean

MIN_SECONDS = 60
INITIAL_CAPS = "rules: []\n"
CALENDAR: dict[str, Period] = {"calendar_day": "day", "calendar_week": "week", "calendar_month": "month"}

_LIMIT = "the most messages in the window"
_ROLLING = "A rolling window is from 1m to 366d: `1d`, `7d`, `12h`"
_PER = f"{_ROLLING}; one of the recipient's calendar is {', '.join(f'`{name}`' for name in CALENDAR)}"
_GAP = "A gap is from 1m to 366d: `4h`"


def _seconds(value: Any, remedy: str) -> int:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        refuse(f"{quote_value(value)} is not a duration", f"{EXPECTED}. {remedy}")
    try:
        seconds = parse_duration(text)
    except DurationError as error:
        refuse(error.message, f"{error.suggestion}. {remedy}")
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        refuse(f"{quote_value(value)} is too {'short' if seconds < MIN_SECONDS else 'long'}", remedy)
    return seconds


def _window(value: Any) -> int | Period:
    if not isinstance(value, str) or not (value.startswith("calendar") or value in CALENDAR.values()):
        return _seconds(value, _PER)
    if value not in CALENDAR:
        meant = f"calendar_{value}" if value in CALENDAR.values() else value
        refuse(f"{quote_value(value)} is not a window", f"{did_you_mean(meant, CALENDAR)}. {_ROLLING}")
    return CALENDAR[value]


def _cappable(category: str) -> str:
    if is_transactional(category):
        refuse(
            f"`{category}` messages pass every rule, so that none can be about them",
            f"Take it out. If they are to take up room, write `counts: [{TRANSACTIONAL}]`",
        )
    return category


_EXEMPT = {"not": {"enum": [TRANSACTIONAL, ONE_TIME_CODE]}}
Category = Annotated[Slug, Field(json_schema_extra=_EXEMPT), AfterValidator(_cappable)]
Window = Annotated[
    int | Literal["day", "week", "month"],
    BeforeValidator(_window),
    pattern_check(f"({DURATION}|{'|'.join(CALENDAR)})", "7d", "calendar_week"),
]
Gap = Annotated[int, BeforeValidator(lambda value: _seconds(value, _GAP)), pattern_check(DURATION, "4h")]


class CapRuleModel(DocumentModel):
    """At most `limit` messages to one person `per` window, at least `min_gap` apart.

    An empty list means all. Transactional messages and those of high priority are exempt; `counts` says which of them
    count all the same.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["limit"]}, {"required": ["min_gap"]}],
            "dependentRequired": {"limit": ["per"], "per": ["limit"]},
        }
    )

    name: Slug = Field(description="the rule's name, as timelines give it")
    limit: Annotated[Annotated[int, Field(ge=1, le=10_000), WHOLE] | None, Given] = Field(None, description=_LIMIT)
    per: Annotated[Window | None, Given] = Field(None, description=_PER)
    min_gap: Annotated[Gap | None, Given] = Field(None, description=_GAP)
    channels: Annotated[Annotated[tuple[ChannelName, ...], Listed, Field(min_length=1)] | None, Given] = Field(
        None, description="only messages on these; left out, on all"
    )
    categories: Annotated[Annotated[tuple[Category, ...], Listed, Field(min_length=1)] | None, Given] = Field(
        None, description="only messages of these; left out, of all"
    )
    counts: Annotated[
        Annotated[tuple[Literal["transactional", "high"], ...], Listed, Field(min_length=1)] | None, Given
    ] = Field(None, description="which of the messages that pass every rule take up room in this one")


class BudgetModel(DocumentModel):
    """The most that messages may cost, by the prices of their providers.

    Transactional messages and those of high priority are exempt.
    """

    name: Slug = Field(description="the budget's name, as timelines give it")
    scope: BudgetScope = Field(description="what it is for: each day or month, each campaign, or each person")
    amount: Amount = Field(description="the most in units of the currency: `50`")
    currency: Currency = Field(description="its code of three letters; prices in others do not count: EUR")
    channels: Annotated[Annotated[tuple[ChannelName, ...], Listed, Field(min_length=1)] | None, Given] = Field(
        None, description="only messages on these; left out, on all"
    )


class CapsDocument(DocumentModel):
    """All rules and budgets, each of which must allow a message."""

    rules: Annotated[tuple[CapRuleModel, ...], Listed] = Field(description="a list of rules, `[]` for none")
    budgets: Annotated[tuple[BudgetModel, ...], Listed] = Field((), description="a list of budgets")


def parse_caps(text: str, file: str) -> tuple[CapRule, ...]:
    """Return the rules of a document. Raises InvalidDocumentError with all problems."""
    source = read(text, file)
    document, problems = validate(CapsDocument, source)
    problems += [*source.problems, *_duplicates(source), *_halves(source)]
    if document is None or problems:
        raise InvalidDocumentError(sorted(problems, key=lambda problem: problem.line))
    return (*(_rule(model) for model in document.rules), *(_budget(model) for model in document.budgets))


def to_document(rule: CapRule) -> dict[str, Any]:
    """Return a rule as its document has it."""
    if (budget := rule.budget) is not None:
        channels = {"channels": list(rule.channels)} if rule.channels else {}
        amount = {"amount": to_units(budget.micros), "currency": budget.currency}
        return {"name": rule.name, "scope": budget.scope, **amount, **channels}
    per = f"calendar_{rule.calendar}" if rule.calendar else rule.window and format_duration(rule.window)
    written = {
        "name": rule.name,
        "limit": rule.limit,
        "per": per,
        "min_gap": rule.min_gap and format_duration(rule.min_gap),
        "channels": list(rule.channels),
        "categories": list(rule.categories),
        "counts": list(rule.counts),
    }
    return {key: value for key, value in written.items() if value}


def _rule(model: CapRuleModel) -> CapRule:
    calendar = model.per if isinstance(model.per, str) else None
    return CapRule(
        name=model.name,
        limit=model.limit,
        window=MAX_PERIOD_SECONDS[model.per] if isinstance(model.per, str) else model.per,
        channels=model.channels or (),
        categories=model.categories or (),
        calendar=calendar,
        min_gap=model.min_gap,
        counts=model.counts or (),
    )


def _budget(model: BudgetModel) -> CapRule:
    budget = MoneyBudget(model.scope, model.amount, model.currency)
    return CapRule(name=model.name, channels=model.channels or (), budget=budget)


def _rule_source(source: YamlSource, key: str = "rules") -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Iterate over the raw rules of a document, each with its index."""
    rules = source.data.get(key) if isinstance(source.data, dict) else None
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, dict):
            yield index, rule


def _duplicates(source: YamlSource) -> Iterator[Problem]:
    first: dict[str, int] = {}
    placed = [(list_, *one) for list_ in ("rules", "budgets") for one in _rule_source(source, list_)]
    for key, index, rule in placed:
        if not isinstance(name := rule.get("name"), str):
            continue
        path = (key, index, "name")
        if name in first:
            said = f"the name `{name}` is taken by the rule on line {first[name]}"
            yield source.problem(path, said, "Give each rule a name of its own")
        first.setdefault(name, source.line(path))


def _halves(source: YamlSource) -> Iterator[Problem]:
    """Find rules with `limit` or `per` alone, and rules without any limit."""
    for index, rule in _rule_source(source):
        match "limit" in rule, "per" in rule, "min_gap" in rule:
            case True, False, _:
                said = "`per` is missing: a `limit` holds for a window"
                yield source.problem(("rules", index, "per"), said, f"Add `per: …`. {_PER}")
            case False, True, _:
                said = "`limit` is missing: a window `per` has one"
                yield source.problem(("rules", index, "limit"), said, f"Add `limit: …`: {_LIMIT}")
            case False, False, False:
                said = "the rule limits nothing"
                yield source.problem(
                    ("rules", index), said, "Add `limit: …` and `per: …`, or `min_gap: …`, or all three"
                )
            case _:
                pass
