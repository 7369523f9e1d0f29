"""Routes: the provider that delivers a message, chosen with the grant.

A person keeps a sender: weights are drawn by the profile, and nothing but an open circuit or a full day of the warm-up
takes a message to the next provider of its route.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, timedelta
from functools import cached_property
from typing import Any, Final

from msgspec import Struct

from domain.journey.bucketing import assign_arm
from domain.sending.providers.kinds import provider_model
from domain.sending.providers.model import ProviderModel

_SEED: Final = "provider"


class WarmUp(Struct, frozen=True):
    """The most messages on each of a provider's first days, from `starts_on` on."""

    provider: str
    starts_on: date
    daily: tuple[int, ...]

    def limit(self, day: date) -> int | None:
        """Return the most messages of a day; None once the provider is warm."""
        number = (day - self.starts_on).days
        if number < 0:
            return 0
        return self.daily[number] if number < len(self.daily) else None


class ProviderRule(Struct, frozen=True, tag="provider", tag_field="rule", omit_defaults=True):
    """A configured provider.

    `settings` are its keys as authors write them, secrets by reference.
    """

    name: str
    kind: str
    channel: str
    settings: dict[str, Any]
    per_second: float | None = None

    def model(self) -> ProviderModel:
        """Return the settings, typed. Raises ValueError or KeyError in other builds."""
        return provider_model(self.kind).model_validate(self.settings)


class RouteRule(Struct, frozen=True, tag="route", tag_field="rule", omit_defaults=True):
    """The providers of a channel's messages of one category, or of all others if None.

    Without `weights` they stand in their order of preference.
    """

    channel: str
    use: tuple[str, ...]
    category: str | None = None
    weights: tuple[int, ...] = ()
    warm_up: WarmUp | None = None

    @property
    def name(self) -> str:
        """The route's name in plans."""
        return f"route {self.channel}" + (f" {self.category}" if self.category else "")

    def rank(self, bucket: str) -> tuple[str, ...]:
        """Return the providers in a person's order: the drawn one first, or as written."""
        if not self.weights:
            return self.use
        first = self.use[assign_arm(_SEED, bucket, dict(zip(self.use, self.weights, strict=True)))]
        return (first, *(name for name in self.use if name != first))


class DailyLimit(Struct, frozen=True):
    """The most messages of a provider on a day of its warm-up."""

    day: date
    messages: int


class SenderChoice(Struct, frozen=True, omit_defaults=True):
    """A provider that may deliver a message, if its day has room.

    With `is_paced`, its sends have a queue of their own.
    """

    provider: str
    is_paced: bool = False
    daily_limit: DailyLimit | None = None


# The providers of channels that the document leaves out: by the deployment's own settings.
DEFAULT_PROVIDERS: Final[Mapping[str, ProviderRule]] = {
    "email": ProviderRule("smtp", "smtp", "email", {}),
    "webhook": ProviderRule("http", "http", "webhook", {}),
}


class DeployedProviders:
    """The providers and routes in force."""

    def __init__(self, rules: Iterable[ProviderRule | RouteRule] = ()) -> None:
        self.by_name: dict[str, ProviderRule] = {}
        self._routes: dict[tuple[str, str | None], RouteRule] = {}
        for rule in rules:
            if isinstance(rule, ProviderRule):
                self.by_name[rule.name] = rule
            else:
                self._routes[rule.channel, rule.category] = rule

    @cached_property
    def channels(self) -> frozenset[str]:
        """The channels that have a provider."""
        return frozenset({*DEFAULT_PROVIDERS, *(rule.channel for rule in self.by_name.values())})

    def find_providers(self, channel: str) -> tuple[ProviderRule, ...]:
        """Return the providers of a channel: the default one if the document has none."""
        configured = tuple(rule for rule in self.by_name.values() if rule.channel == channel)
        default = DEFAULT_PROVIDERS.get(channel)
        return configured or ((default,) if default else ())

    def find(self, channel: str, name: str) -> ProviderRule | None:
        """Return a provider in force; None if it was removed."""
        return next((rule for rule in self.find_providers(channel) if rule.name == name), None)

    def route(self, channel: str, category: str) -> RouteRule | None:
        """Return the route of a message; None on a channel without a provider."""
        found = self._routes.get((channel, category)) or self._routes.get((channel, None))
        providers = self.find_providers(channel)
        return found or (RouteRule(channel, (providers[0].name,)) if providers else None)

    def choices(
        self, channel: str, category: str, *, bucket: str, broken: Collection[str], day: date
    ) -> tuple[SenderChoice, ...]:
        """Return the providers that may take a message, the preferred one first.

        Those whose circuit is open (`broken`) come last: if all are, the message waits for the first. Empty on a
        channel without a provider.
        """
        route = self.route(channel, category)
        if route is None:
            return ()
        ranked = route.rank(bucket)
        order = [*(one for one in ranked if one not in broken), *(one for one in ranked if one in broken)]
        return tuple(self._choice(route, channel, name, day) for name in order)

    def _choice(self, route: RouteRule, channel: str, name: str, day: date) -> SenderChoice:
        rule, warm_up = self.find(channel, name), route.warm_up
        limit = warm_up.limit(day) if warm_up is not None and warm_up.provider == name else None
        return SenderChoice(
            name,
            is_paced=rule is not None and rule.per_second is not None,
            daily_limit=None if limit is None else DailyLimit(day, limit),
        )


def next_day(day: date) -> date:
    """Return the day on which a full warm-up goes on."""
    return day + timedelta(days=1)
