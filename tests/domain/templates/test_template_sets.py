from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cli.documents import templates_beside
from domain.templates.template_sets import TemplateRenderError, load
from tests.domain.templates.template_files import EMAIL, EXAMPLES, WEBHOOK, context, email, only, problems_of


def test_an_email_renders_all_of_its_parts() -> None:
    content = only(email("<body class=x>B", preheader="P", reply_to="Help <help@example.com>")).render(context(), None)
    html = content.pop("html")
    assert content == {
        "from": "Example Shop <hello@example.com>",
        "reply_to": "Help <help@example.com>",
        "subject": "s",
        "text": "t",
    }
    assert html.startswith("<body class=x><div style=")
    assert html.endswith(">P</div>B")


def test_a_webhook_renders_value_by_value_and_keeps_what_is_no_text() -> None:
    content = only(WEBHOOK).render(context({"city": 'a": "b", "c'}), None)
    assert content == {
        "method": "POST",
        "url": "https://crm.example.com/hook",
        "headers": {},
        "data": {"user": "u1", "city": 'a": "b", "c', "deep": [1, 2.5, True, None, {"name": "Cart"}]},
    }


@pytest.mark.parametrize(
    ("locale", "subject"),
    [("pt-BR", "pt-BR"), ("pt_br", "pt-BR"), ("pt-PT", "pt"), ("pt", "pt"), ("de-AT", "default"), (None, "default")],
)
def test_the_variant_is_the_locale_then_the_language_then_the_default(locale: str | None, subject: str) -> None:
    variants = {"t.liquid": "default", "t.pt.liquid": "pt", "t.pt-BR.liquid": "pt-BR"}
    sets, problems = load({file: email(subject=text) for file, text in variants.items()})
    assert problems == []
    assert sets["t"].render(context(), locale)["subject"] == subject


def test_a_variant_inherits_the_keys_that_it_does_not_give() -> None:
    sets, problems = load({"t.liquid": EMAIL, "t.de.liquid": "---\nsubject: Hallo\n---\n<p>Guten Tag</p>\n"})
    assert problems == []
    content = sets["t"].render(context(), "de")
    assert (content["from"], content["subject"], content["html"]) == (
        "Example Shop <hello@example.com>",
        "Hallo",
        "<p>Guten Tag</p>\n",
    )
    assert content["text"] == "Hello there\n"


@pytest.mark.parametrize("matter", ["", "\n"])
def test_a_variant_may_take_all_keys_from_the_default(matter: str) -> None:
    sets, problems = load({"t.liquid": EMAIL, "t.de.liquid": f"---\n{matter}---\n<p>Guten Tag</p>\n"})
    assert problems == []
    content = sets["t"].render(context(), "de")
    assert (content["subject"], content["html"]) == ("Hi there", "<p>Guten Tag</p>\n")


@pytest.mark.parametrize("traits", [{}, {"first_name": None}, {"first_name": ""}])
def test_default_replaces_what_is_missing_null_or_empty(traits: Mapping[str, Any]) -> None:
    assert only(EMAIL).render(context(traits), None)["subject"] == "Hi there"


@pytest.mark.parametrize("traits", [{}, {"address": None}, {"address": {}}])
def test_a_missing_value_without_default_fails_and_is_named(traits: Mapping[str, Any]) -> None:
    with pytest.raises(TemplateRenderError) as failure:
        only(email("<p>\n{{ profile.traits.address.city }}</p>")).render(context(traits), None)
    assert str(failure.value).startswith("t.liquid:8: body: profile.traits.address")
    assert str(failure.value).endswith("has no value for this user")


@pytest.mark.parametrize(
    "condition",
    ["unsubscribe_url", "unsubscribe_url != nil", "profile.traits.age > 3", "profile.traits.plan == 'pro'"],
)
def test_conditions_take_a_missing_value_as_false(condition: str) -> None:
    template = only(email(f"{{% if {condition} %}}yes{{% else %}}no{{% endif %}}"))
    assert template.render(context(unsubscribe_url=None), None)["html"] == "no"


SECRET = "Zarathustra"


@pytest.mark.parametrize(
    ("body", "traits"),
    [
        ("{{ profile.traits.name | times: 3 | divided_by: 2 }}", {"name": SECRET}),
        ("{{ 3 | divided_by: profile.traits.name }}", {"name": SECRET}),
        ("{{ 3 | plus: profile.traits.missing }}", {"name": SECRET}),
        ("{{ profile.traits.missing | plus: 3 }}", {"name": SECRET}),
        ("{{ profile.traits.missing | size }}", {"name": SECRET}),
        ("{{ profile.traits.missing | date: '%Y' }}", {"name": SECRET}),
        ("{{ profile.traits.name | date: '%Y' }}", {"name": SECRET}),
        ("{{ profile.traits.name | date: '%Y' }}", {"name": "now"}),
        ("{{ profile.traits[profile.traits.name] }}", {"name": SECRET}),
        ("{{ profile.traits.name | base64_decode }}", {"name": SECRET}),
        ("{{ profile.traits.name | slice: profile.traits.name }}", {"name": SECRET}),
        ("{% for x in (1..5) limit: profile.traits.name %}x{% endfor %}", {"name": SECRET}),
        ("{% if profile.traits.name > 3 %}x{% endif %}", {"name": SECRET}),
        ("{{ profile.traits.name | upcase }}", {"name": "\ud800"}),
    ],
)
def test_a_filter_that_fails_on_the_data_is_refused_without_quoting_it(body: str, traits: Mapping[str, Any]) -> None:
    with pytest.raises(TemplateRenderError) as failure:
        only(email(body)).render(context(traits), None)
    assert str(failure.value).startswith("t.liquid:7: body: ")
    assert SECRET.lower() not in str(failure.value).lower()
    # Whoever records the error records its cause as well, which does quote.
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__


@pytest.mark.parametrize(
    "body",
    [
        "{% for a in (1..200) %}{% for b in (1..200) %}x{% endfor %}{% endfor %}",
        "{% for a in (1..9000) %}" + "x" * 100 + "{% endfor %}",
        "{% assign x = 'aaaaaaaaaa' %}{% for a in (1..60) %}{% assign x = x | append: x %}{% endfor %}",
        "{{ profile.traits.long | replace: 'x', profile.traits.long }}",
        "{% for a in profile.traits.long_list %}.{% endfor %}",
    ],
)
def test_what_costs_too_much_is_refused(body: str) -> None:
    with pytest.raises(TemplateRenderError):
        only(email(body)).render(context({"long": "x" * 30_000, "long_list": [1] * 20_000}), None)


@pytest.mark.parametrize(
    "range_",
    ["(1..50000000)", "(0..10000)", "(1..profile.traits.n)", "(profile.traits.n..5)", "(1..'50000000')"],
)
@pytest.mark.parametrize(
    "use",
    [
        "{{ RANGE | join }}",
        "{% for a in RANGE reversed %}x{% endfor %}",
        "{% assign r = RANGE %}",
        "{{ profile.user_id | append: RANGE }}",
        "{% if true %}{% case 1 %}{% when 1 %}{% if RANGE contains 3 %}x{% endif %}{% endcase %}{% endif %}",
        "{% tablerow a in RANGE %}x{% endtablerow %}",
        "{% liquid assign r = RANGE %}",
    ],
)
def test_a_range_without_constant_near_ends_is_not_published(range_: str, use: str) -> None:
    problems = problems_of(email(use.replace("RANGE", range_)))
    assert [problem.line for problem in problems] == [7]
    assert "range" in problems[0].message


def test_a_short_range_is_bounded_by_data_through_limit() -> None:
    template = only(email("{% for star in (1..5) limit: profile.traits.rating %}*{% endfor %}"))
    assert template.render(context({"rating": 3}), None)["html"] == "***"


@pytest.mark.parametrize(
    "tag", ["{% include 'x' %}", "{% render 'x' %}", "{% if %}x{% endif %}", "{{ 'x' ", "{% for %}{% endfor %}"]
)
def test_what_is_no_liquid_or_reads_files_is_not_published(tag: str) -> None:
    problems = problems_of(email(f"<p>\n\n{tag}</p>"))
    assert [(problem.line, problem.path) for problem in problems] == [(9, "body")]


def test_a_template_fits_the_channel_that_it_names() -> None:
    template = only(EMAIL)
    assert template.check("email") == []
    (problem,) = template.check("webhook")
    assert (problem.file, problem.line, problem.path) == ("t.liquid", 2, "channel")
    broken, _ = load({"t.liquid": "nothing"})
    assert broken["t"].check("email") == []


@pytest.mark.parametrize("name", ["", "\u2028", "\n\t", "x" * 999])
def test_a_subject_that_is_empty_or_endless_is_refused(name: str) -> None:
    with pytest.raises(TemplateRenderError, match="subject"):
        only(email(subject="{{ profile.traits.name }}")).render(context({"name": name}), None)


def test_dates_are_laid_out_without_clock_or_local_zone() -> None:
    body = (
        "{{ entry.timestamp | date: '%d.%m.%Y %H:%M' }} {{ 1767225600 | date: '%Y' }} "
        "{{ profile.traits.due | date: '%B' }}"
    )
    assert only(email(body)).render(context({"due": "2026-03-01"}), None)["html"] == "02.11.2026 10:00 2026 March"


def test_one_template_serves_many_threads() -> None:
    template = only(
        email("{% assign n = profile.user_id %}{% for i in (1..50) %}{{ n }}{% cycle ',', ';' %}{% endfor %}")
    )

    def render(number: int) -> str:
        return str(template.render(context(profile={"user_id": str(number), "traits": {}}), None)["html"])

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(render, range(200)))
    assert results == [f"{number},{number};" * 25 for number in range(200)]


def test_the_examples_are_sound_and_cart_nudge_fails_without_a_checkout_url() -> None:
    sets, problems = load(templates_beside(EXAMPLES.parent / "any.yaml"))
    assert problems == []
    assert sets.keys() >= {
        "cart-nudge",
        "cart-reminder",
        "price-drop",
        "trial-crm",
        "trial-extension",
        "trial-subscribe",
    }
    properties = {
        **{"value": 120, "cart_id": "c-1", "price": 9, "checkout_url": "https://shop.example.com/c/1"},
        **{"subscription_id": "s-1", "renews_at": "2026-12-01", "tier": "gold", "year": 2026, "orders": 12},
        "order_id": "o-1",
        "report_url": "https://app.example.com/reports/r1",
    }
    for name, template in sets.items():
        links = ["/c/"] if name.startswith("double-opt-in") else ["/u/", "/p/"]
        if name == "delivery-delayed.email":  # It is transactional.
            links = []
        for locale in (None, "de"):
            entry = {"event": "Cart Abandoned", "properties": properties, "timestamp": "2026-11-02T10:00:00+00:00"}
            content = template.render(context(entry=entry), locale)
            if template.channel == "email":
                assert all(
                    f"https://example.com{link}abc" in content[part] for link in links for part in ("text", "html")
                )
            quiet = template.render(context(entry=entry, unsubscribe_url=None), locale)
            assert "nsubscribe:" not in quiet.get("text", "")
    with pytest.raises(TemplateRenderError, match=r"entry\.properties\.checkout_url has no value for this user"):
        sets["cart-nudge"].render(context(), None)
