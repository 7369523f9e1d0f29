"""Which provider takes a message: by channel and category, weight, circuit and day."""

from collections import Counter
from datetime import date
from uuid import UUID

from domain.sending.routes import DailyLimit, DeployedProviders, ProviderRule, RouteRule, SenderChoice, WarmUp

DAY = date(2026, 12, 3)
RULES = (
    ProviderRule("a", "smtp", "email", {"host": "a.example.com"}),
    ProviderRule("b", "smtp", "email", {"host": "b.example.com"}, per_second=5),
    ProviderRule("c", "smtp", "email", {"host": "c.example.com"}),
)
ORDER = RouteRule("email", ("a", "b"))


def names(deployed: DeployedProviders, category: str = "news", bucket: str = "p", broken: tuple[str, ...] = ()) -> str:
    return "".join(one.provider for one in deployed.choices("email", category, bucket=bucket, broken=broken, day=DAY))


def test_the_first_route_of_channel_and_category_holds() -> None:
    deployed = DeployedProviders((*RULES, RouteRule("email", ("c",), "transactional"), ORDER))
    assert (names(deployed, "transactional"), names(deployed)) == ("c", "ab")


def test_without_a_route_the_only_provider_takes_all() -> None:
    assert names(DeployedProviders(RULES[:1])) == "a"
    assert names(DeployedProviders()) == "smtp"
    assert DeployedProviders().choices("pager", "news", bucket="p", broken=(), day=DAY) == ()


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


def test_a_choice_has_its_pace_and_the_limit_of_the_day() -> None:
    warm_up = WarmUp("b", date(2026, 12, 2), (200, 500))
    deployed = DeployedProviders((*RULES, RouteRule("email", ("b", "a"), warm_up=warm_up)))
    [limited, other] = deployed.choices("email", "news", bucket="p", broken=(), day=DAY)
    assert limited == SenderChoice("b", is_paced=True, daily_limit=DailyLimit(DAY, 500))
    assert other == SenderChoice("a")
    assert [warm_up.limit(date(2026, 12, day)) for day in (1, 2, 3, 4)] == [0, 200, 500, None]
