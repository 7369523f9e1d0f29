"""Routes: the provider that delivers a message, chosen with the grant.

A person keeps a sender: weights are drawn by the profile, and nothing but an open circuit or a full day of the warm-up
takes a message to the next provider of its route. A pause of its marketing does not: the messages wait, since receivers
would see the same mail from elsewhere.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from functools import cached_property
from itertools import takewhile
from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from domain.ad_audiences.rules import AdAccountRule
from domain.channels.kinds import CHANNELS
from domain.journey.bucketing import assign_arm
from domain.local_time.periods import next_period_start, period_start
from domain.people.device_addresses import AddressKind
from domain.sending.bookings import CalendarRule
from domain.sending.budgets import BudgetFull
from domain.sending.caps import is_transactional
from domain.sending.deliverability import DEFAULT_LIMITS, PauseLimits, ProviderPause, find_pause, list_paused
from domain.sending.money import Money, to_micros
from domain.sending.providers.console import ConsoleModel
from domain.sending.providers.kinds import PROVIDER_MODELS, provider_model
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

    @property
    def has_account(self) -> bool:
        """Whether the failure of one message says something about the next."""
        return any(model.has_account for model in PROVIDER_MODELS if model.name == self.kind)

    @property
    def served_kinds(self) -> frozenset[AddressKind]:
        """The kinds of addresses of devices that it reaches."""
        return next((model.serves for model in PROVIDER_MODELS if model.name == self.kind), frozenset())

    def serves(self, kinds: Collection[AddressKind]) -> bool:
        """Return whether it reaches devices with addresses of one of these kinds."""
        return not self.served_kinds.isdisjoint(kinds)

    @property
    def cost(self) -> Money | None:
        """The price of one part of a message, such as a segment; None if it is not known."""
        written = self.settings.get("cost")
        return None if written is None else Money(to_micros(written["amount"]), written["currency"])

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


ProvidersRule = ProviderRule | RouteRule | AdAccountRule | CalendarRule


class DailyLimit(Struct, frozen=True):
    """The most messages of a provider on a day of its warm-up, which began at `since`."""

    day: date
    messages: int
    since: datetime


class DayFull(Struct, frozen=True):
    """No provider of the route takes more messages before `until`."""

    provider: str
    until: datetime


class NoProvider(Struct, frozen=True):
    """The channel has no provider."""


class SenderChoice(Struct, frozen=True, omit_defaults=True):
    """A provider that may deliver a message, if its day has room.

    With `is_paced`, its sends have a queue of their own. `cost` is the most that the message may cost.
    """

    provider: str
    is_paced: bool = False
    daily_limit: DailyLimit | None = None
    cost: Money | None = None

    @property
    def micros(self) -> int:
        """The most that the message may cost, in millionths; 0 without a price."""
        return 0 if self.cost is None else self.cost.micros


# The result of looking for a provider, for the gate's decision.
SenderPick = SenderChoice | DayFull | BudgetFull | NoProvider | ProviderPause


def price_of(sender: SenderPick | None) -> dict[str, Any]:
    """Return the cost of a message as the ledger has it."""
    cost = sender.cost if isinstance(sender, SenderChoice) else None
    return {} if cost is None else {"cost": cost.micros, "currency": cost.currency}


class SenderChoices(Struct, frozen=True):
    """The providers that may take a message, the preferred one first.

    `day_ends_at` is when a full warm-up goes on. `pause` is that of the person's
    provider, whose messages wait. `passed_over` are those that would be preferred, if their circuit were not open.
    """

    choices: tuple[SenderChoice, ...]
    day_ends_at: datetime
    pause: ProviderPause | None = None
    passed_over: tuple[str, ...] = ()

    def pick(self, category: str, *, is_full: bool) -> SenderPick:
        """Return the first provider that takes the message.

        `is_full` says that the limited provider has no room. Transactional messages do not wait for the next day.
        """
        if self.pause is not None:
            return self.pause
        for choice in self.choices:
            if choice.daily_limit is None or (not is_full and choice.daily_limit.messages > 0):
                return choice
        if not self.choices:
            return NoProvider()
        if is_transactional(category):
            return replace(self.choices[0], daily_limit=None)
        return DayFull(self.choices[0].provider, self.day_ends_at)


# The providers of channels that the document leaves out: by the deployment's own settings.
DEFAULT_PROVIDERS: Final[Mapping[str, ProviderRule]] = {
    "email": ProviderRule("smtp", "smtp", "email", {}),
    "webhook": ProviderRule("http", "http", "webhook", {}),
    "in_app": ProviderRule("in_app", "in_app", "in_app", {}),
}


# Those of a development, where the inbox shows the messages of all other channels.
DEVELOPMENT_PROVIDERS: Final[Mapping[str, ProviderRule]] = {
    **{
        channel: ProviderRule(f"inbox-{channel}", ConsoleModel.name, channel, {"kind": "console", "channel": channel})
        for channel in CHANNELS
    },
    **DEFAULT_PROVIDERS,
}


class DeployedProviders:
    """The providers, routes, ad accounts and calendars in force.

    `defaults` are the providers of channels that the document leaves out.
    """

    def __init__(
        self, rules: Iterable[ProvidersRule] = (), defaults: Mapping[str, ProviderRule] = DEFAULT_PROVIDERS
    ) -> None:
        self._defaults = defaults
        self.by_name: dict[str, ProviderRule] = {}
        self.ad_accounts: dict[str, AdAccountRule] = {}
        self.calendars: dict[str, CalendarRule] = {}
        self._routes: dict[tuple[str, str | None], RouteRule] = {}
        for rule in rules:
            if isinstance(rule, ProviderRule):
                self.by_name[rule.name] = rule
            elif isinstance(rule, AdAccountRule):
                self.ad_accounts[rule.name] = rule
            elif isinstance(rule, CalendarRule):
                self.calendars[rule.name] = rule
            else:
                self._routes[rule.channel, rule.category] = rule

    @cached_property
    def channels(self) -> frozenset[str]:
        """The channels that have a provider."""
        return frozenset({*self._defaults, *(rule.channel for rule in self.by_name.values())})

    def find_providers(self, channel: str) -> tuple[ProviderRule, ...]:
        """Return the providers of a channel: the default one if the document has none."""
        configured = tuple(rule for rule in self.by_name.values() if rule.channel == channel)
        default = self.find_default(channel)
        return configured or ((default,) if default else ())

    def find_default(self, channel: str) -> ProviderRule | None:
        """Return the provider of a channel that the document leaves out."""
        return self._defaults.get(channel)

    def find_named(self, name: str) -> ProviderRule | None:
        """Return the provider of a name in force, of whichever channel."""
        defaults = (rule for rule in self._defaults.values() if rule.name == name)
        return self.by_name.get(name) or next((rule for rule in defaults if self.find(rule.channel, name)), None)

    def find(self, channel: str, name: str) -> ProviderRule | None:
        """Return a provider in force; None if it was removed."""
        return next((rule for rule in self.find_providers(channel) if rule.name == name), None)

    def pause_limits(self, name: str) -> PauseLimits:
        """Return the rates above which the marketing of a provider is paused.

        The usual ones for a provider by the settings, a removed one, and one that only another build can read.
        """
        rule = self.by_name.get(name)
        with suppress(ValueError, KeyError):
            return DEFAULT_LIMITS if rule is None else rule.model().pause_limits()
        return DEFAULT_LIMITS

    def route(self, channel: str, category: str) -> RouteRule | None:
        """Return the route of a message; None on a channel without a provider."""
        found = self._routes.get((channel, category)) or self._routes.get((channel, None))
        return found or self._unwritten_route(channel)

    def routes_of(self, channel: str) -> tuple[RouteRule, ...]:
        """Return the routes of a channel, also the one that is not written."""
        written = [route for route in self._routes.values() if route.channel == channel]
        # A route for some categories alone leaves the others to the only provider.
        rest = None if (channel, None) in self._routes else self._unwritten_route(channel)
        return (*written, *([] if rest is None else [rest]))

    def has_able(self, channel: str, category: str, kinds: Collection[AddressKind] | None) -> bool:
        """Whether a provider of the route serves one of these kinds of address, or any."""
        route = self.route(channel, category)
        return route is not None and (kinds is None or any(self._serves(channel, name, kinds) for name in route.use))

    def choices(
        self,
        channel: str,
        category: str,
        *,
        bucket: str,
        broken: Collection[str],
        pauses: Sequence[ProviderPause] = (),
        at: datetime,
        zone: ZoneInfo,
        kinds: Collection[AddressKind] | None = None,
        max_parts: int = 1,
    ) -> SenderChoices:
        """Return the providers that may take a message; days are those of the zone.

        It has at most `max_parts` parts, each of which has the provider's price.

        `kinds` are those of the addresses of the person's devices: others serve them in vain. None on other channels.

        Those whose circuit is open (`broken`) come last: if all are, the message waits for the first. A message whose
        first provider is paused waits for it, also while its circuit is open; other paused ones take over nothing.
        """
        route, ends_at = self.route(channel, category), next_period_start("day", at, zone)
        began_at = period_start("day", at, zone)
        if route is None:
            return SenderChoices((), ends_at)
        able = [name for name in route.rank(bucket) if kinds is None or self._serves(channel, name, kinds)]
        if not able:
            return SenderChoices((), ends_at)
        first, *others = able
        paused = list_paused(pauses, category)
        ranked = [first, *(one for one in others if one not in paused)]
        order = [*(one for one in ranked if one not in broken), *(one for one in ranked if one in broken)]
        choices = tuple(self._choice(route, channel, name, began_at.astimezone(zone), max_parts) for name in order)
        passed_over = tuple(takewhile(lambda one: one in broken, ranked))
        return SenderChoices(choices, ends_at, find_pause(pauses, first, category), passed_over)

    def has_alternative(
        self,
        channel: str,
        category: str,
        provider: str,
        broken: Collection[str],
        pauses: Sequence[ProviderPause] = (),
        kinds: Collection[AddressKind] | None = None,
    ) -> bool:
        """Return whether another provider of the route takes a message for certain.

        `kinds` are those of `choices`.
        """
        route, away = self.route(channel, category), {*broken, *list_paused(pauses, category)}
        others = [
            name
            for name in (route.use if route else ())
            if name not in (provider, *away) and (kinds is None or self._serves(channel, name, kinds))
        ]
        limited = route.warm_up.provider if route is not None and route.warm_up is not None else None
        return any(name != limited for name in others)

    def find_serving(
        self, channel: str, category: str, kind: AddressKind, broken: Collection[str] = ()
    ) -> ProviderRule | None:
        """Return the provider of the route that serves addresses of a kind.

        Those whose circuit is open come last.
        """
        route = self.route(channel, category)
        rules = [self.find(channel, name) for name in (route.use if route else ())]
        serving = [rule for rule in rules if rule is not None and rule.serves([kind])]
        return next((rule for rule in serving if rule.name not in broken), serving[0] if serving else None)

    def _serves(self, channel: str, name: str, kinds: Collection[AddressKind]) -> bool:
        rule = self.find(channel, name)
        return rule is not None and rule.serves(kinds)

    def _unwritten_route(self, channel: str) -> RouteRule | None:
        providers = self.find_providers(channel)
        return RouteRule(channel, (providers[0].name,)) if providers else None

    def _choice(self, route: RouteRule, channel: str, name: str, began_at: datetime, max_parts: int) -> SenderChoice:
        rule, warm_up, day = self.find(channel, name), route.warm_up, began_at.date()
        limit = warm_up.limit(day) if warm_up is not None and warm_up.provider == name else None
        return SenderChoice(
            name,
            is_paced=rule is not None and rule.per_second is not None,
            daily_limit=None if limit is None else DailyLimit(day, limit, began_at),
            cost=None if rule is None or rule.cost is None else rule.cost.times(max_parts),
        )
