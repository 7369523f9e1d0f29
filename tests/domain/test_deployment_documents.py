import pytest

from domain.deployment_documents import (
    DEPLOYMENT_DOCUMENTS,
    FREQUENCY_CAPS,
    RuleChange,
    compare_rules,
    deployment_document,
)
from domain.errors import NotFoundError
from domain.sending.caps import CapRule


def test_rules_are_compared_by_name() -> None:
    before = [CapRule("kept", 1, 60), CapRule("gone", 2, 60), CapRule("other", 3, 60)]
    after = [CapRule("new", 4, 60), CapRule("other", 5, 60), CapRule("kept", 1, 60)]
    assert compare_rules(FREQUENCY_CAPS, before, after) == [
        RuleChange("removed", "gone", {"name": "gone", "limit": 2, "per": "1m"}, None),
        RuleChange("added", "new", None, {"name": "new", "limit": 4, "per": "1m"}),
        RuleChange(
            "changed",
            "other",
            {"name": "other", "limit": 3, "per": "1m"},
            {"name": "other", "limit": 5, "per": "1m"},
        ),
    ]
    assert compare_rules(FREQUENCY_CAPS, after, after) == []


@pytest.mark.parametrize("name", DEPLOYMENT_DOCUMENTS)
def test_the_initial_document_and_the_example_are_valid(name: str) -> None:
    kind = deployment_document(name)
    assert list(kind.parse(kind.initial, "initial.yaml")) == []
    assert kind.parse(kind.example, "example.yaml")


def test_a_kind_that_does_not_exist() -> None:
    with pytest.raises(NotFoundError, match="there is no document capps; there are frequency-caps, "):
        deployment_document("capps")
