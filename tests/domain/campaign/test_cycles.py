from itertools import permutations
from random import Random

import pytest

from domain.campaign.cycles import MAX_CYCLES, Cycle, find_cycles
from domain.campaign.rules import EntryRule, Rules
from domain.campaign.steps.action import ActionRule, ValuesRule
from domain.campaign.steps.emit_event import EmitEventRule
from domain.campaign.steps.set_stage import SetStageRule
from domain.campaign.steps.update_profile import UpdateProfileRule
from domain.tracking.chain import MAX_CHAIN
from domain.tracking.event import Trigger


def rules(entry: str, *emitted: str, reentry: str = "always", key: str | None = None) -> Rules:
    actions = {f"s{number}": EmitEventRule(event) for number, event in enumerate(emitted)}
    entered = EntryRule(entry, key=key, reentry="never" if reentry == "never" else "always")
    return Rules("A name", entered, actions={**actions, "stage": SetStageRule("x")})


def test_a_campaign_may_lead_into_itself() -> None:
    found = find_cycles("a", {"a": rules("A", "B", "A")})
    assert found == [Cycle(("a",), (Trigger("track", "A"),))]
    assert str(found[0]) == "a → a by `A`"


def test_two_campaigns_may_lead_into_each_other() -> None:
    campaigns = {"a": rules("A", "B"), "b": rules("B", "A"), "c": rules("B", "C")}
    assert [str(cycle) for cycle in find_cycles("a", campaigns)] == ["a → b → a by `B`, `A`"]
    assert [str(cycle) for cycle in find_cycles("b", campaigns)] == ["b → a → b by `A`, `B`"]
    assert find_cycles("c", campaigns) == []


def test_a_changed_trait_or_stage_leads_to_the_campaigns_that_it_starts() -> None:
    def changing(value: str, **actions: ActionRule) -> Rules:
        return Rules("A name", EntryRule(value, kind="changed"), actions=actions)

    campaigns = {
        "a": changing("profile.traits.n", s=UpdateProfileRule(ValuesRule(computed={"n": "profile.traits.n + 1"}))),
        "b": changing("profile.traits.m", s=SetStageRule("x")),
        "c": changing("profile.stage", s=UpdateProfileRule(ValuesRule({"m": 1}))),
        # An event of that name is no change.
        "d": rules("profile.traits.n", "profile.traits.n"),
    }
    assert [str(cycle) for cycle in find_cycles("a", campaigns)] == ["a → a by `changed profile.traits.n`"]
    between = "`changed profile.stage`, `changed profile.traits.m`"
    assert [str(cycle) for cycle in find_cycles("b", campaigns)] == [f"b → c → b by {between}"]
    assert [str(cycle) for cycle in find_cycles("d", campaigns)] == ["d → d by `profile.traits.n`"]


def test_a_chain_is_no_cycle() -> None:
    assert find_cycles("a", {"a": rules("A", "B"), "b": rules("B", "C"), "c": rules("C", "D")}) == []


@pytest.mark.parametrize("length", range(1, MAX_CHAIN + 2))
def test_cycles_of_every_length_that_a_chain_may_have(length: int) -> None:
    campaigns = {f"c{at:02}": rules(f"E{at}", f"E{(at + 1) % length}") for at in range(length)}
    found = find_cycles("c00", campaigns)
    assert [len(cycle.campaigns) for cycle in found] == ([length] if length <= MAX_CHAIN else [])


@pytest.mark.parametrize(("key", "count"), [(None, 0), ("event.properties.a", 1)])
def test_who_enters_once_for_all_goes_in_no_cycle(key: str | None, count: int) -> None:
    campaigns = {"a": rules("A", "B"), "b": rules("B", "A", reentry="never", key=key)}
    assert len(find_cycles("a", campaigns)) == count


def test_cycles_that_share_their_way_are_said_once_each_and_the_shortest_first() -> None:
    campaigns = {"a": rules("A", "B"), "b": rules("B", "C", "A"), "c": rules("C", "A")}
    assert [cycle.campaigns for cycle in find_cycles("a", campaigns)] == [("a", "b"), ("a", "b", "c")]


def test_many_cycles_take_no_time() -> None:
    campaigns = {f"c{number}": rules("E", "E") for number in range(200)}
    assert len(find_cycles("c0", campaigns)) == MAX_CYCLES


def test_paths_without_a_way_back_take_no_time() -> None:
    crowd = [f"C{number}" for number in range(30)]
    campaigns = {name: rules(name, *crowd, "B") for name in crowd}
    campaigns |= {"a": rules("A", "B"), "b": rules("B", "A", *crowd)}
    assert [cycle.campaigns for cycle in find_cycles("a", campaigns)] == [("a", "b")]


def test_every_cycle_is_found() -> None:
    for seed in range(300):
        random = Random(seed)
        names = "abcde"
        leads = {name: random.sample(names, random.randint(0, 2)) for name in names}
        campaigns = {name: rules(name, *leads[name]) for name in names}
        expected = {
            ("a", *others)
            for count in range(5)
            for others in permutations("bcde", count)
            if all(to in leads[at] for at, to in zip(("a", *others), (*others, "a"), strict=True))
        }
        found = [cycle.campaigns for cycle in find_cycles("a", campaigns)]
        assert len(found) == len(set(found)), f"{seed=}"
        assert set(found) == expected, f"{seed=}"
