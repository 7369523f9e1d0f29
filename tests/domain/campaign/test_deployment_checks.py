"""A campaign is checked by the computed traits and segments of the deployment."""

from collections.abc import Mapping

import pytest

from domain.campaign.publication import check
from domain.deployed_names import DeployedNames
from domain.errors import InvalidDocumentError, Problem
from domain.people.computed.definition import TraitType
from tests.domain.campaign.documents import EMAIL

TRAITS: Mapping[str, TraitType] = {"orders": "int", "last_at": "timestamp", "active": "bool"}
DOCUMENT = """key: again
name: Again
entry: {event: Order Completed, where: profile.computed.orders == 3, key: string(profile.computed.orders)}
exit:
  - {event: Order Completed, where: profile.computed.orders > 3}
steps:
  - {id: later, delay: {date: profile.computed.last_at, offset: 3d}}
  - {id: noted, update_profile: {orders: {cel: profile.computed.orders + 1}}}
  - id: active
    branch:
      - {when: "profile.computed.active && within(profile.computed.last_at, '14d')", do: []}
  - {id: mail, send: {channel: email, template: hello}}
"""


def find_problems(old: str = "", new: str = "", traits: Mapping[str, TraitType] | None = TRAITS) -> list[Problem]:
    names = None if traits is None else DeployedNames(traits, ["vip", "stage.loyalty"])
    template = EMAIL.replace("<p>", "<p>{{ profile.computed.orders | default: 0 }} ", 1)
    try:
        check(DOCUMENT.replace(old, new), "again.yaml", {"hello.liquid": template}, names)
    except InvalidDocumentError as error:
        return error.problems
    return []


def test_a_campaign_may_read_the_traits_of_the_deployment() -> None:
    assert find_problems() == []


@pytest.mark.parametrize(
    ("old", "new", "path", "message"),
    [
        ("orders == 3", "order == 3", "entry.where", "there is no computed trait `order`"),
        ("orders == 3", "orders == '3'", "entry.where", "`==` does not apply to (number, string)"),
        ("string(profile.computed.orders)", "profile.computed.last_at", "entry.key", "a key is a text"),
        ("orders > 3", "last_at > 3", "exit[0].where", "`>` does not apply to (timestamp, number)"),
        ("last_at, offset", "orders, offset", "steps[0].delay.date", "a date is a time or a text"),
        ("orders + 1", "active + 1", "steps[1].update_profile.orders.cel", "`+` does not apply to (bool, number)"),
        ("computed.active &&", "computed.activ &&", "steps[2].branch[0].when", "there is no computed trait `activ`"),
    ],
)
def test_a_mistake_is_refused_at_its_place(old: str, new: str, path: str, message: str) -> None:
    [problem] = find_problems(old, new)
    assert problem.path == path
    assert message in problem.message


def test_a_change_of_an_unknown_trait_is_refused() -> None:
    exit = "  - {changed: profile.computed.activ}\nsteps:"
    [problem] = find_problems("steps:", exit)
    assert (problem.path, problem.message) == ("exit[1].changed", "there is no computed trait `activ`")
    assert "`active`" in problem.suggestion
    assert find_problems("steps:", exit.replace("activ}", "active}")) == []


def test_templates_are_checked_as_well() -> None:
    problems = find_problems(traits={key: kind for key, kind in TRAITS.items() if key != "orders"})
    assert {problem.message for problem in problems if problem.file == "templates/hello.liquid"} == {
        "there is no computed trait `orders`"
    }


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("{event: Order Completed, where: profile.computed.orders == 3", "{joins: KEY", "entry.joins"),
        ("steps:", "  - {leaves: KEY}\nsteps:", "exit[1].leaves"),
        (
            "  - id: active",
            "  - {id: rest, wait_for: {joins: KEY, timeout: 1d}}\n  - id: active",
            "steps[2].wait_for.joins",
        ),
        ("orders > 3", "orders > 3 && 'KEY' in profile.segments", "exit[0].where"),
        ("&& within", "&& !('KEY' in profile.segments) && within", "steps[2].branch[0].when"),
        (
            "Completed, where: profile.computed.orders == 3",
            "Completed, audience: {where: \"'KEY' in profile.segments\"}, where: profile.computed.orders == 3",
            "entry.audience.where",
        ),
    ],
)
def test_a_segment_that_is_not_applied_is_refused_at_its_place(old: str, new: str, path: str) -> None:
    for known in ("vip", "stage.loyalty"):
        assert find_problems(old, new.replace("KEY", known)) == []
    [problem] = find_problems(old, new.replace("KEY", "vips"))
    assert (problem.path, problem.message) == (path, "there is no segment `vips`")
    assert problem.suggestion == (
        "Did you mean `vip`? Applied: vip, stage.loyalty. Apply it first: `sojourn segments apply`"
    )


def test_the_name_of_a_property_is_not_a_segment() -> None:
    step = "  - {id: told, emit_event: {event: Told, properties: {joins: club}}}\n  - id: active"
    assert find_problems("  - id: active", step) == []


def test_nothing_is_refused_where_the_traits_are_not_known() -> None:
    assert find_problems("orders == 3", "order == 3", traits=None) == []
