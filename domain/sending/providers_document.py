"""The document of providers: accounts that deliver messages, routes, and others."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Final, Union

from pydantic import BeforeValidator, Discriminator, Field, Tag
from typing_extensions import TypeAliasType

from domain.ad_audiences.rules import AdAccountRule
from domain.campaign.schema import WHOLE, DocumentModel, Given, Listed, Slug, pattern_check, quote_value, refuse
from domain.campaign.schema_errors import validate
from domain.campaign.steps.send import ChannelName
from domain.channels.kinds import CHANNELS
from domain.document.yaml_source import Path, YamlSource, read
from domain.errors import InvalidDocumentError, Problem
from domain.sending.bookings import CalendarRule
from domain.sending.providers.ad_account import AdAccountModel
from domain.sending.providers.ad_accounts import AD_ACCOUNT_MODELS
from domain.sending.providers.calendars import CALENDAR_MODELS
from domain.sending.providers.kinds import PROVIDER_MODELS
from domain.sending.providers.model import AccountModel, ProviderModel
from domain.sending.routes import DEFAULT_PROVIDERS, ProviderRule, ProvidersRule, RouteRule, WarmUp
from domain.suggestions import did_you_mean

INITIAL_PROVIDERS: Final = "providers: {}\nroutes: []\n"
MAX_PROVIDERS: Final = 50
MAX_ROUTES: Final = 200
MAX_DAYS: Final = 120

_ORDER, _WEIGHTS = "order", "weights"
_KIND_FORM: Final = "Write the keys of a provider: `{kind: smtp, channel: email, host: mail.example.com}`"


_MODELS: Final[tuple[type[AccountModel], ...]] = (*PROVIDER_MODELS, *AD_ACCOUNT_MODELS, *CALENDAR_MODELS)


def _kind_of(provider: Any) -> str | None:
    return provider.kind if isinstance(provider, AccountModel) else provider.get("kind")


def _has_kind(provider: Any) -> Any:
    kinds = [model.name for model in _MODELS]
    if isinstance(provider, AccountModel):
        return provider
    if not isinstance(provider, Mapping):
        refuse(f"{quote_value(provider)} is not a provider", _KIND_FORM)
    if "kind" not in provider:
        refuse("`kind` is missing", f"Write one of {', '.join(kinds)}")
    if provider["kind"] not in kinds:
        refuse(f"there is no provider {quote_value(provider['kind'])}", did_you_mean(str(provider["kind"]), kinds))
    return provider


def _date(value: Any) -> date:
    try:
        return value if isinstance(value, date) else date.fromisoformat(value)
    except (TypeError, ValueError):
        refuse(f"{quote_value(value)} is not a date", "Write the first day as `2026-12-01`")


# Type checkers cannot read a union made from a tuple, so they see the base class.
if TYPE_CHECKING:
    AnyProvider = AccountModel
else:
    AnyProvider = Union[tuple(Annotated[model, Tag(model.name)] for model in _MODELS)]  # noqa: UP007

# An alias, so that the JSON Schema names it once.
AnyConfigured = TypeAliasType(
    "AnyConfigured", Annotated[AnyProvider, Discriminator(_kind_of), BeforeValidator(_has_kind)]
)
Weight = Annotated[int, Field(ge=0, le=10_000), WHOLE]
Use = Annotated[
    Annotated[tuple[Slug, ...], Listed, Field(min_length=1), Tag(_ORDER)]
    | Annotated[dict[Slug, Weight], Field(min_length=1), Tag(_WEIGHTS)],
    Discriminator(lambda value: _WEIGHTS if isinstance(value, Mapping) else _ORDER),
]
DailyCount = Annotated[int, Field(ge=1, le=100_000_000), WHOLE]


class WarmUpModel(DocumentModel):
    """The most messages on each of a provider's first days, counted with their grants."""

    provider: Slug = Field(description="the provider, one of `use`")
    from_: Annotated[date, BeforeValidator(_date), pattern_check(r"\d{4}-\d{2}-\d{2}", "2026-12-01")] = Field(
        alias="from", description="the first day, in the deployment's zone; before it the provider takes none"
    )
    daily: Annotated[tuple[DailyCount, ...], Listed, Field(min_length=1, max_length=MAX_DAYS)] = Field(
        description="the most messages of each day: `[200, 500, 1000]`; after the last one there is no limit"
    )


class RouteModel(DocumentModel):
    """The providers of some messages. The first route of a message holds."""

    channel: ChannelName = Field(description="the channel of the messages")
    category: Annotated[Slug | None, Given] = Field(None, description="their category; left out, all")
    use: Use = Field(
        description="providers in their order, `[postmark, ses]`, or with weights, `{ses: 95, postmark: 5}`"
    )
    warm_up: Annotated[WarmUpModel | None, Given] = Field(None, description="a daily limit of one of them")


class ProvidersDocument(DocumentModel):
    """The routes, and accounts that deliver messages, have audiences or take bookings."""

    providers: dict[Slug, AnyConfigured] = Field(
        {}, description="the providers by name; `{}` for those of the settings"
    )
    routes: Annotated[tuple[RouteModel, ...], Listed, Field(max_length=MAX_ROUTES)] = Field(
        (), description="the routes; a channel with one provider needs none"
    )

    @property
    def senders(self) -> dict[str, ProviderModel]:
        """The accounts that deliver messages."""
        return {name: one for name, one in self.providers.items() if isinstance(one, ProviderModel)}


def parse_providers(text: str, file: str) -> tuple[ProvidersRule, ...]:
    """Return the rules of a document. Raises InvalidDocumentError with all problems."""
    source = read(text, file)
    document, problems = validate(ProvidersDocument, source)
    problems += source.problems
    if document is not None:
        problems += _find_faults(document, source)
    if document is None or problems:
        raise InvalidDocumentError(sorted(problems, key=lambda problem: problem.line))
    providers = (
        ProviderRule(name, one.kind, one.channel, one.dump(), one.per_second) for name, one in document.senders.items()
    )
    accounts = (
        AdAccountRule(name, one.kind, one.dump())
        for name, one in document.providers.items()
        if isinstance(one, AdAccountModel)
    )
    calendars = (
        CalendarRule(name, one.kind, one.dump())
        for name, one in document.providers.items()
        if isinstance(one, CALENDAR_MODELS)
    )
    return (*providers, *accounts, *calendars, *(_route(one) for one in document.routes))


def name_of(rule: ProvidersRule) -> str:
    """Return the name of a provider or a route in plans."""
    return rule.name


def to_document(rule: ProvidersRule) -> dict[str, Any]:
    """Return a rule as authors write it, with its name, secrets by reference."""
    if isinstance(rule, ProviderRule | AdAccountRule | CalendarRule):
        return {"name": rule.name, **rule.settings}
    warm_up = rule.warm_up and {
        "provider": rule.warm_up.provider,
        "from": rule.warm_up.starts_on.isoformat(),
        "daily": list(rule.warm_up.daily),
    }
    written = {
        "name": rule.name,
        "channel": rule.channel,
        "category": rule.category,
        "use": dict(zip(rule.use, rule.weights, strict=True)) if rule.weights else list(rule.use),
        "warm_up": warm_up,
    }
    return {key: value for key, value in written.items() if value is not None}


def _route(model: RouteModel) -> RouteRule:
    weights = model.use if isinstance(model.use, dict) else {}
    wanted = model.warm_up
    warm_up = None if wanted is None else WarmUp(wanted.provider, wanted.from_, wanted.daily)
    return RouteRule(model.channel, tuple(model.use), model.category, tuple(weights.values()), warm_up)


def _find_faults(document: ProvidersDocument, source: YamlSource) -> Iterator[Problem]:
    if len(document.providers) > MAX_PROVIDERS:
        yield source.problem(("providers",), f"there are {len(document.providers)} providers", f"Keep {MAX_PROVIDERS}")
    for name, provider in document.senders.items():
        for fault in _provider_faults(name, provider):
            yield source.problem(("providers", name), *fault)
    for index, route in enumerate(document.routes):
        path: Path = ("routes", index)
        for key, fault in _route_faults(route, document):
            yield source.problem((*path, key), *fault)
        if any(
            one.channel == route.channel and one.category in (None, route.category) for one in document.routes[:index]
        ):
            yield source.problem(path, "no message comes to this route", "Put it before the route that takes them all")
    for channel in dict.fromkeys(one.channel for one in document.senders.values()):
        names = [name for name, one in document.senders.items() if one.channel == channel]
        if len(names) > 1 and not any(one.channel == channel and one.category is None for one in document.routes):
            yield source.problem(
                ("routes",),
                f"{channel} has {len(names)} providers, and no route for all of its messages",
                f"Add `{{channel: {channel}, use: [{', '.join(names)}]}}` as the last one",
            )


def _provider_faults(name: str, provider: ProviderModel) -> Iterator[tuple[str, str]]:
    if provider.channels is not None and provider.channel not in provider.channels:
        yield f"`{provider.kind}` is not a provider of {provider.channel}", f"It serves {', '.join(provider.channels)}"
    if CHANNELS[provider.channel].waits_for_person:
        yield f"messages of {provider.channel} wait in the inbox, which no provider delivers", "Leave it out"
    default = next((one for one in DEFAULT_PROVIDERS.values() if one.name == name), None)
    if default is not None and default.channel != provider.channel:
        # The ledger knows a provider by its name.
        yield f"`{name}` is the provider of {default.channel} by the settings", "Choose another name"


def _route_faults(route: RouteModel, document: ProvidersDocument) -> Iterator[tuple[str, tuple[str, str]]]:
    for name in route.use:
        provider = document.providers.get(name)
        if provider is None:
            yield "use", (f"there is no provider `{name}`", did_you_mean(name, document.senders))
        elif not isinstance(provider, ProviderModel):
            yield "use", (f"`{name}` delivers no messages", f"Name providers of {route.channel}")
        elif provider.channel != route.channel:
            yield "use", (f"`{name}` is a provider of {provider.channel}", f"Name providers of {route.channel}")
    if len(set(route.use)) < len(route.use):
        yield "use", ("a provider stands here twice", "Keep it once")
    if isinstance(route.use, dict) and not any(route.use.values()):
        yield "use", ("all weights are 0", "Give one of them a weight, or write an order")
    if route.warm_up is not None and route.warm_up.provider not in route.use:
        fault = f"`{route.warm_up.provider}` is not in `use`", did_you_mean(route.warm_up.provider, route.use)
        yield "warm_up", fault
