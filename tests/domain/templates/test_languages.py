"""Who gets another language than their own."""

from domain.templates.languages import TemplateLanguages, choose_language, find_fallbacks

PEOPLE = {"de": 5, "de-AT": 2, "pt_BR": 3, "pt": 4, "en-GB": 6, "fr": 1, "undefined!": 9}


def found(template: TemplateLanguages) -> dict[str, int]:
    return {one.language: one.people.estimate for one in find_fallbacks([template], PEOPLE, 30, 30)}


def test_people_are_counted_by_language_the_most_frequent_first() -> None:
    listed = list(find_fallbacks([TemplateLanguages("cart", ("de",), "en")], PEOPLE, 30, 30))
    assert [(one.language, one.people.estimate) for one in listed] == [("pt", 7), ("fr", 1)]
    assert listed[0].summary == "7 of 30 people speak `pt`: of cart they would get `en`"


def test_a_default_that_says_no_language_serves_none() -> None:
    listed = list(find_fallbacks([TemplateLanguages("cart", ("de",), None)], PEOPLE, 30, 30))
    assert [one.language for one in listed] == ["pt", "en", "fr"]
    assert listed[1].summary == "6 of 30 people speak `en`: of cart they would get the default"


def test_a_variant_serves_its_own_region_alone() -> None:
    assert found(TemplateLanguages("cart", ("de", "fr", "pt-br"), "en")) == {"pt": 4}
    assert found(TemplateLanguages("cart", ("de", "fr", "pt"), "en-US")) == {}


def test_a_template_of_one_unnamed_language_counts_nobody() -> None:
    assert found(TemplateLanguages("cart", (), None)) == {}
    assert found(TemplateLanguages("cart", (), "de")) == {"pt": 7, "en": 6, "fr": 1}


def test_a_sample_is_an_estimate() -> None:
    [one] = find_fallbacks([TemplateLanguages("cart", ("de",), "en")], {"pt": 2_000, "de": 8_000}, 10_000, 1_000_000)
    assert one.people.estimate == 200_000
    assert one.people.low < 200_000 < one.people.high
    assert one.summary.startswith("about 200,000 of 1,000,000 people (")


def test_the_nearest_language_is_chosen() -> None:
    languages = {"pt", "pt-br", "de"}
    assert [choose_language(languages, one) for one in ("pt_BR", "pt-PT", "DE-at", "fr", None)] == [
        "pt-br",
        "pt",
        "de",
        "",
        "",
    ]
