"""Who may approve what, for how many people."""

import pytest

from domain.campaign.approvals import is_same_person, needs_approval


@pytest.mark.parametrize(
    ("people", "above", "approved", "needed"),
    [
        (1_000, 1_000, 0, False),
        (1_001, 1_000, 0, True),
        (1, 0, 0, True),
        (0, 0, 0, False),
        (1_001, 1_000, 400, True),
        (2_400, 1_000, 1_200, False),
        (2_401, 1_000, 1_200, True),
    ],
)
def test_more_people_need_an_approval_and_an_approved_number_may_double(
    people: int, above: int, approved: int, needed: bool
) -> None:
    assert needs_approval(people, above, approved) is needed


def test_one_person_is_an_actor_its_makers_and_those_it_made() -> None:
    makers = {"child": {"key", "root"}, "key": {"root"}, "sibling": {"root"}}
    assert is_same_person("key", "key", makers)
    for one, other in (("child", "key"), ("key", "child"), ("root", "child"), ("child", "root")):
        assert is_same_person(one, other, makers), (one, other)
    for one, other in (("key", "sibling"), ("child", "sibling"), ("oidc:ada", "key")):
        assert not is_same_person(one, other, makers), (one, other)
