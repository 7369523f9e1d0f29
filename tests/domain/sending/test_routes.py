"""Which provider takes a message: by channel and category, weight, circuit and day."""

from collections import Counter
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from domain.local_time.periods import period_start
from domain.people.device_addresses import AddressKind
from domain.sending.deliverability import ProviderPause
from domain.sending.routes import (
    DailyLimit,
    DayFull,
    DeployedProviders,
    NoProvider,
    ProviderRule,
    RouteRule,
    SenderChoice,
    SenderChoices,
    SenderPick,
    WarmUp,
)

ZONE = ZoneInfo("America/New_York")
DAY, AT = date(2026, 12, 3), datetime(2026, 12, 3, 23, tzinfo=ZONE)
RULES = (
    ProviderRule("a", "smtp", "email", {"host": "a.example.com"}),
    ProviderRule("b", "smtp", "email", {"host": "b.example.com"}, per_second=5),
    ProviderRule("c", "smtp", "email", {"host": "c.example.com"}),
)
ORDER = RouteRule("email", ("a", "b"))


def choices(
    deployed: DeployedProviders, category: str = "news", bucket: str = "p", broken: tuple[str, ...] = ()
) -> SenderChoices:
    return deployed.choices("email", category, bucket=bucket, broken=broken, at=AT, zone=ZONE)


def names(deployed: DeployedProviders, category: str = "news", bucket: str = "p", broken: tuple[str, ...] = ()) -> str:
    return "".join(one.provider for one in choices(deployed, category, bucket, broken).choices)


def test_the_first_route_of_channel_and_category_holds() -> None:
    deployed = DeployedProviders((*RULES, RouteRule("email", ("c",), "transactional"), ORDER))
    assert (names(deployed, "transactional"), names(deployed)) == ("c", "ab")


def test_without_a_route_the_only_provider_takes_all() -> None:
    assert names(DeployedProviders(RULES[:1])) == "a"
    assert names(DeployedProviders()) == "smtp"
    found = DeployedProviders().choices("pager", "news", bucket="p", broken=(), at=AT, zone=ZONE)
    assert found.pick("news", is_full=False) == NoProvider()


def test_weights_share_people_and_each_keeps_a_sender() -> None:
    deployed = DeployedProviders((*RULES, RouteRule("email", ("a", "b", "c"), weights=(90, 10, 0))))
    people = [str(UUID(int=number)) for number in range(2_000)]
    first = Counter(names(deployed, bucket=one)[0] for one in people)
    assert first["c"] == 0
    assert 120 < first["b"] < 290
    assert [names(deployed, bucket=one) for one in people[:50]] == [names(deployed, bucket=one) for one in people[:50]]


def test_open_circuits_come_last() -> None:
    deployed = DeployedProviders((*RULES, RouteRule("email", ("a", "b", "c"))))
    assert names(deployed, broken=("a",)) == "bca"
    assert names(deployed, broken=("a", "b", "c")) == "abc"
    assert [
        deployed.choices("email", "news", bucket="p", broken=broken, at=AT, zone=ZONE).passed_over
        for broken in ((), ("a",), ("b",), ("a", "b"))
    ] == [(), ("a",), (), ("a", "b")]


def test_a_choice_has_its_pace_and_the_limit_of_the_day() -> None:
    warm_up = WarmUp("b", date(2026, 12, 2), (200, 500))
    deployed = DeployedProviders((*RULES, RouteRule("email", ("b", "a"), warm_up=warm_up)))
    found = choices(deployed)
    limited, other = found.choices
    assert limited == SenderChoice("b", is_paced=True, daily_limit=DailyLimit(DAY, 500, period_start("day", AT, ZONE)))
    assert other == SenderChoice("a")
    assert (found.pick("news", is_full=False), found.pick("news", is_full=True)) == (limited, other)
    assert [warm_up.limit(date(2026, 12, day)) for day in (1, 2, 3, 4)] == [0, 200, 500, None]


def test_a_full_day_lets_messages_wait_for_the_next_one_but_for_transactional_ones() -> None:
    warm_up = WarmUp("b", date(2026, 12, 2), (200, 500))
    found = choices(DeployedProviders((*RULES, RouteRule("email", ("b",), warm_up=warm_up))))
    midnight = datetime(2026, 12, 4, tzinfo=ZONE)
    assert found.pick("news", is_full=True) == DayFull("b", midnight)
    assert found.pick("transactional", is_full=True) == SenderChoice("b", is_paced=True)


def test_the_day_is_that_of_the_deployment() -> None:
    """Before the first day the provider takes none."""
    warm_up = WarmUp("b", date(2026, 12, 4), (200,))
    deployed = DeployedProviders((*RULES, RouteRule("email", ("b",), warm_up=warm_up)))
    assert choices(deployed).pick("news", is_full=False) == DayFull("b", datetime(2026, 12, 4, tzinfo=ZONE))


def test_an_alternative_takes_messages_for_certain() -> None:
    warm_up = WarmUp("b", date(2026, 12, 2), (200,))
    deployed = DeployedProviders((*RULES, RouteRule("email", ("a", "b"), warm_up=warm_up)))
    assert not deployed.has_alternative("email", "news", "a", broken=("a",))
    assert deployed.has_alternative("email", "news", "b", broken=("b",))
    assert not deployed.has_alternative("email", "news", "b", broken=("a", "b"))


def test_a_provider_that_serves_no_device_of_the_person_is_no_alternative() -> None:
    """Gate and attempt would send the message to each other for as long as the circuit is open."""
    rules = (ProviderRule("f", "fcm", "push", {}), ProviderRule("w", "web_push", "push", {}))
    deployed = DeployedProviders((*rules, RouteRule("push", ("f", "w"))))
    cases: list[tuple[frozenset[AddressKind] | None, bool]] = [
        (frozenset({"token"}), False),
        (frozenset({"token", "endpoint"}), True),
        (None, True),
    ]
    for kinds, has_other in cases:
        assert deployed.has_alternative("push", "news", "f", ("f",), kinds=kinds) is has_other, kinds


PAUSED = [ProviderPause(UUID(int=1), "a", "complaints", 12, 8_000, 0.001, AT)]


def pick(rules: RouteRule, category: str = "news", broken: tuple[str, ...] = ()) -> SenderPick:
    deployed = DeployedProviders((*RULES, rules))
    found = deployed.choices("email", category, bucket="p", broken=broken, pauses=PAUSED, at=AT, zone=ZONE)
    return found.pick(category, is_full=False)


def test_no_other_provider_takes_over_the_marketing_of_a_paused_one() -> None:
    assert pick(ORDER) == PAUSED[0]
    # Nor while its circuit is open as well.
    assert pick(ORDER, broken=("a",)) == PAUSED[0]
    assert pick(ORDER, "transactional") == SenderChoice("a")


def test_a_paused_provider_takes_over_nothing() -> None:
    second = RouteRule("email", ("c", "a", "b"))
    assert pick(second) == SenderChoice("c")
    assert pick(second, broken=("c",)) == SenderChoice("b", is_paced=True)
    assert pick(second, "transactional", broken=("c",)) == SenderChoice("a")
    # Its messages wait for the provider that is away.
    assert pick(RouteRule("email", ("c", "a")), broken=("c",)) == SenderChoice("c")
    deployed = DeployedProviders((*RULES, RouteRule("email", ("c", "a"))))
    assert deployed.has_alternative("email", "news", "c", ("c",))
    assert not deployed.has_alternative("email", "news", "c", ("c",), PAUSED)
    assert deployed.has_alternative("email", "transactional", "c", ("c",), PAUSED)
