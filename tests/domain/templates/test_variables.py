"""One list of variables: the check accepts exactly what the rendering builds, and the trial follows its data."""

from dataclasses import replace
from datetime import UTC, datetime

from domain.people.account_view import AccountView
from domain.templates.expected_data import ExpectedData
from domain.templates.template_sets import load
from domain.templates.variables import DATA, SURVEY_URL, VARIABLES, TemplateFacts, build_variables
from tests.domain.templates.sources import email, only, variables

SURVEY = '{questions: [{id: ask, type: nps, text: "How likely?"}]}'
FACTS = TemplateFacts(
    user_id="u1",
    traits={"name": "Ada"},
    event="Order Placed",
    anonymous_id="a-1",
    properties={"total": 1},
    timestamp="2026-11-02T10:00:00+00:00",
    campaign_key="order",
    campaign_name="Order",
    message_id="m-1",
    unsubscribe_url="https://example.com/u/abc",
    preferences_url="https://example.com/p/abc",
    confirm_url="https://example.com/c/abc",
    survey_url="https://example.com/s/abc",
    booking_reference="abc",
    saved={"score": 7},
    answers={},
    computed={"orders": 3, "last_at": datetime(2026, 11, 1, tzinfo=UTC), "spent": 42.0, "none": None},
    stage="trial",
    account=AccountView("acme", "admin", {"plan": "team"}),
    learned={
        "first_seen": "2026-11-01T10:00:00+00:00",
        "last_seen": "2026-11-02T10:00:00+00:00",
        "marks": {"app_version": [0, "4.2"], "country": [0, "IT"]},
    },
    locale="de",
    postal_address="1 Harbour Street",
)


def test_each_variable_is_built_under_its_name() -> None:
    built = build_variables(FACTS)
    for variable in VARIABLES:
        value = built
        for name in variable.path:
            value = value[name]
        assert isinstance(value, dict) is (variable.shape == "data")
        assert value == variable.value(FACTS)


def test_a_variable_without_a_value_is_absent() -> None:
    built = build_variables(replace(FACTS, user_id=None, event=None, unsubscribe_url=None))
    assert "user_id" not in built["profile"]
    assert "event" not in built["entry"]
    assert "unsubscribe_url" not in built
    assert only(email(text="{{ unsubscribe_url | default: 'none' }}")).render(built, None)["text"] == "none"


def test_each_variable_can_be_printed() -> None:
    given = variables({"name": "Ada"}, total=1)
    for variable in VARIABLES:
        name = variable.name if variable.shape != "data" else f"{variable.name}.x | default: 'none'"
        survey = {"survey": SURVEY} if variable is SURVEY_URL else {}
        assert only(email(text=f"{{{{ {name} }}}}", **survey)).render(given, None)["text"]


def test_a_name_that_is_not_declared_is_refused() -> None:
    for name in ("profil.user_id", "profile.email", "entry.name", "campaign.version", "unsubscribe"):
        _, [problem] = load({"t.liquid": email(text=f"{{{{ {name} }}}}")})
        assert problem.message == f"there is no variable '{name}'"


def test_samples_have_all_objects_of_data() -> None:
    sample = ExpectedData([]).sample({})
    assert {(root, name) for root, inner in sample.items() for name in inner} == set(DATA)


def test_computed_traits_are_written_as_json_has_them() -> None:
    given = build_variables(FACTS)
    assert given["profile"]["computed"] == {"orders": 3, "last_at": "2026-11-01T00:00:00Z", "spent": 42}
    text = "{{ profile.computed.last_at | date: '%d.%m.' }} {{ profile.computed.none | default: 'never' }}"
    assert only(email(text=text)).render(given, None)["text"] == "01.11. never"
