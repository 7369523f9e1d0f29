"""The document of providers: what it takes, what it refuses, and that no refusal shows a secret."""

from datetime import date
from pathlib import Path

import pytest

from domain.errors import InvalidDocumentError
from domain.sending.deliverability import PauseLimits
from domain.sending.providers.smtp import SmtpModel
from domain.sending.providers_document import INITIAL_PROVIDERS, parse_providers, to_document
from domain.sending.routes import DeployedProviders, ProviderRule, RouteRule, WarmUp

EXAMPLE = Path(__file__).parents[3] / "examples" / "providers" / "providers.yaml"
RELAY = "relay: {kind: smtp, channel: email, host: mail.example.com}"
SECOND = "second: {kind: smtp, channel: email, host: mail.example.net}"
SECRET = "hunter2-hunter2"


def document(*providers: str, routes: str = "[]") -> str:
    return "providers:\n" + "".join(f"  {one}\n" for one in providers) + f"routes: {routes}\n"


def problems(text: str) -> str:
    with pytest.raises(InvalidDocumentError) as refused:
        parse_providers(text, "providers.yaml")
    return "\n".join(str(problem) for problem in refused.value.problems)


def test_the_example_names_secrets_and_routes() -> None:
    relay, second, hooks, transactional, others = parse_providers(EXAMPLE.read_text(), EXAMPLE.name)
    assert isinstance(relay, ProviderRule)
    assert isinstance(second, ProviderRule)
    assert isinstance(hooks, ProviderRule)
    assert (relay.per_second, second.per_second, hooks.kind) == (50, None, "http")
    assert relay.settings["password"] == {"env": "SOJOURN_SECRET_RELAY"}
    model = second.model()
    assert isinstance(model, SmtpModel)
    assert str(model.secrets()["password"]) == "/run/secrets/second"
    assert transactional == RouteRule("email", ("relay", "second"), "transactional")
    daily = (200, 500, 1000, 2000, 5000, 10000, 20000, 50000)
    assert others == RouteRule("email", ("relay", "second"), None, (95, 5), WarmUp("second", date(2026, 12, 1), daily))


def test_the_secrets_of_a_provider_have_its_inner_ones() -> None:
    dkim = "dkim: {domain: example.com, selector: s1, key: {file: /run/secrets/dkim.pem}}"
    [relay] = parse_providers(document(RELAY.replace("}", f", {dkim}}}")), "providers.yaml")
    assert isinstance(relay, ProviderRule)
    assert {key: str(one) for key, one in relay.model().secrets().items()} == {"dkim.key": "/run/secrets/dkim.pem"}
    assert relay.settings["dkim"]["key"] == {"file": "/run/secrets/dkim.pem"}


def test_a_rule_is_shown_as_authors_write_it() -> None:
    rules = parse_providers(EXAMPLE.read_text(), EXAMPLE.name)
    shown = [to_document(rule) for rule in rules]
    assert [one["name"] for one in shown] == ["relay", "second", "hooks", "route email transactional", "route email"]
    assert shown[0]["password"] == {"env": "SOJOURN_SECRET_RELAY"}
    assert shown[4]["use"] == {"relay": 95, "second": 5}
    assert shown[4]["warm_up"]["from"] == "2026-12-01"


def test_the_rates_that_pause_a_provider_are_shares() -> None:
    written = "relay: {kind: smtp, channel: email, host: a.example.com, pause: {complaints: 0.05%}}"
    rules = parse_providers(document(written), "providers.yaml")
    assert to_document(rules[0])["pause"] == {"complaints": "0.05%"}
    deployed = DeployedProviders(rules)
    assert deployed.pause_limits("relay") == PauseLimits(complaints=0.0005, hard_bounces=0.02)
    assert deployed.pause_limits("smtp") == PauseLimits()


def test_the_initial_document_leaves_the_settings_in_force() -> None:
    assert parse_providers(INITIAL_PROVIDERS, "providers.yaml") == ()
    deployed = DeployedProviders()
    assert [rule.name for rule in deployed.find_providers("email")] == ["smtp"]
    assert [rule.name for rule in deployed.find_providers("webhook")] == ["http"]


@pytest.mark.parametrize(
    "written",
    [
        f"{SECRET}",
        f"{{env: {SECRET}}}",
        f"{{file: {SECRET}}}",
        f"[{SECRET}]",
        f"{{env: SOJOURN_SECRET_A, file: /run/{SECRET}}}",
    ],
)
def test_no_refusal_shows_a_secret(written: str) -> None:
    said = problems(document(f"relay: {{kind: smtp, channel: email, host: mail.example.com, password: {written}}}"))
    assert "providers.relay.password" in said
    assert SECRET not in said


@pytest.mark.parametrize(
    "reference",
    [
        "{env: PATH}",
        "{env: SOJOURN_ADMIN_KEY}",
        "{env: SOJOURN_SECRET_}",
        "{file: secrets/relay}",
        "{file: /run/secrets/../relay}",
        "{file: /run/secrets/.relay}",
        "{file: /run//relay}",
        "{}",
    ],
)
def test_a_reference_names_a_secret_variable_or_a_plain_path(reference: str) -> None:
    said = problems(document(f"relay: {{kind: smtp, channel: email, host: mail.example.com, password: {reference}}}"))
    assert "Name it: `{env: SOJOURN_SECRET_TOKEN}`, or `{file: /run/secrets/token}`" in said


def test_a_value_of_another_form_is_described_by_its_key() -> None:
    twilio = "token: {env: SOJOURN_SECRET_TWILIO}, account: AC00000000000000000000000000000000"
    key = "private_key: {env: SOJOURN_SECRET_VAPID}"
    assert problems(document(f"browsers: {{kind: web_push, channel: push, {key}, subject: push@example.com}}")) == (
        "providers.yaml:2: providers.browsers.subject: `push@example.com` has another form than is expected here. "
        "`subject` is the contact of the sender, for push services: `mailto:push@example.com`"
    )
    # Either member of a union says the same, once, at the key that an author has written.
    said = problems(document(f"texts: {{kind: twilio, channel: sms, {twilio}, from: 'a long name!'}}"))
    assert said.startswith(
        "providers.yaml:2: providers.texts.from: `a long name!` has another form than is expected here. `from` is "
    )
    assert said.count("providers.texts.from") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (document("relay: {channel: email}"), "`kind` is missing"),
        (document("relay: {kind: smpt, channel: email}"), "there is no provider `smpt`"),
        (document("relay: {kind: smtp, channel: email}"), "`host` is missing"),
        (document("relay: smtp"), "`smtp` is not a provider"),
        (document("relay: {kind: smtp, channel: webhook, host: a.example.com}"), "`smtp` is not a provider of webhook"),
        (document("other: {kind: console, channel: in_app}"), "messages of in_app wait in the inbox"),
        (document("relay: {kind: smtp, channel: email, host: a.example.com, per_second: 0}"), "providers.relay.per_se"),
        (
            document("relay: {kind: smtp, channel: email, host: a.example.com, pause: {complaints: 0.1}}"),
            "`0.1` is not a share. Write it in percent, with a sign: `0.1%`",
        ),
        (
            document("hooks: {kind: http, channel: webhook, pause: {complaints: 1%}}"),
            "the key `pause` is not known",
        ),
        (document("http: {kind: smtp, channel: email, host: a.example.com}"), "`http` is the provider of webhook by"),
        (
            document(
                "relay: {kind: smtp, channel: email, host: a.example.com, security: none, "
                "password: {env: SOJOURN_SECRET_A}}"
            ),
            "`security: none` would send the password in the clear",
        ),
        (document(RELAY, SECOND), "email has 2 providers, and no route for all of its messages"),
        (document(RELAY, routes="[{channel: email, use: [rely]}]"), "there is no provider `rely`"),
        (document(RELAY, routes="[{channel: webhook, use: [relay]}]"), "`relay` is a provider of email"),
        (document(RELAY, routes="[{channel: email, use: [relay, relay]}]"), "a provider stands here twice"),
        (document(RELAY, routes="[{channel: email, use: {relay: 0}}]"), "all weights are 0"),
        (document(RELAY, routes="[{channel: email, use: []}]"), "the list is empty"),
        (
            document(RELAY, routes="[{channel: email, use: [relay]}, {channel: email, category: news, use: [relay]}]"),
            "no message comes to this route",
        ),
        (
            document(
                RELAY,
                SECOND,
                routes="[{channel: email, use: [relay], warm_up: {provider: second, from: 2026-12-01, daily: [9]}}]",
            ),
            "`second` is not in `use`",
        ),
        (
            document(
                RELAY, routes="[{channel: email, use: [relay], warm_up: {provider: relay, from: soon, daily: [9]}}]"
            ),
            "`soon` is not a date",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_remedy(text: str, said: str) -> None:
    assert said in problems(text)
