"""The document of computed traits: its rules, and the problems that it may have."""

from pathlib import Path
from typing import Any

import pytest

from domain.errors import InvalidDocumentError, Problem
from domain.people.computed.definition import EventSelector, TraitRule
from domain.people.computed_document import NamedTrait, parse_computed, parse_server_sources, to_trait_document

EXAMPLES = Path(__file__).parents[3] / "examples" / "computed"
ORDER, ANY = EventSelector("track", "Order Completed"), EventSelector()


def computed_problems(text: str) -> list[Problem]:
    with pytest.raises(InvalidDocumentError) as caught:
        parse_computed(text, "computed.yaml")
    return caught.value.problems


def expected(function: Any, type: Any, *events: EventSelector, **fields: Any) -> TraitRule:
    return TraitRule(function=function, type=type, events=events or (ORDER,), **fields)


VALUE = "event.properties.value"
RULES = {
    "{count: Order Completed}": expected("count", "int"),
    "{any: '*', within: 14d}": expected("any", "bool", ANY, within=14 * 86_400, server_sources=("billing", "crm")),
    f"{{sum: Order Completed, of: {VALUE}}}": expected("sum", "double", of=VALUE),
    f"{{min: Order Completed, of: {VALUE}, within: 7d, exact: true}}": expected(
        "min", "double", of=VALUE, within=604_800, is_exact=True
    ),
    f"{{max: Order Completed, where: {VALUE} > 100, of: {VALUE}}}": expected(
        "max", "double", of=VALUE, where=f"{VALUE} > 100"
    ),
    "{first: Order Completed}": expected("first", "timestamp"),
    f"{{last: Order Completed, of: {VALUE}}}": expected("last", "dyn", of=VALUE),
    f"{{last: Order Completed, of: timestamp({VALUE})}}": expected("last", "timestamp", of=f"timestamp({VALUE})"),
    f"{{top: Order Completed, of: {VALUE}, within: 1d}}": expected("top", "dyn", of=VALUE, within=86_400),
    "{rhythm: Order Completed}": expected("rhythm", "double"),
    f"{{distinct: Order Completed, of: {VALUE}, keep: 9}}": expected("distinct", "dyn", of=VALUE, keep=9),
    f"{{count: Order Completed, by: {VALUE}, within: 1d}}": expected("count", "counts", by=VALUE, within=86_400),
    "{count: {page: Pricing}}": expected("count", "int", EventSelector("page", "Pricing")),
    "{count: {screen: '*'}}": expected("count", "int", EventSelector("screen"), server_sources=("billing", "crm")),
    "{sequence: [{page: Pricing}, Order Completed], within: 1d}": expected(
        "sequence", "timestamp", EventSelector("page", "Pricing"), ORDER, within=86_400
    ),
}


@pytest.mark.parametrize(("text", "rule"), RULES.items())
def test_a_trait_is_read_and_written_again(text: str, rule: TraitRule) -> None:
    document = f"server_sources: [crm, billing]\ncomputed:\n  a: {text}\n"
    assert parse_computed(document, "computed.yaml") == (NamedTrait("a", rule),)
    written = to_trait_document(NamedTrait("a", rule))
    again = f"server_sources: [crm, billing]\ncomputed: {{a: {written!r}}}\n".replace("True", "true")
    assert parse_computed(again, "computed.yaml") == (NamedTrait("a", rule),)


def test_sources_of_systems_are_read() -> None:
    assert parse_server_sources("server_sources: [crm]\ncomputed: {}", "computed.yaml") == ("crm",)
    assert parse_computed("computed: {}", "computed.yaml") == ()


@pytest.mark.parametrize("file", sorted(EXAMPLES.iterdir()), ids=lambda file: file.stem)
def test_the_examples_are_good(file: Path) -> None:
    assert parse_computed(file.read_text(encoding="utf-8"), str(file))


@pytest.mark.parametrize(
    ("line", "path", "message", "suggestion"),
    [
        ("Orders: {count: A}", "Orders", "`Orders` is not a trait's key", "Did you mean `orders`?"),
        ("1st: {count: A}", "1st", "not a trait's key", "a letter first"),
        ("in: {count: A}", "in", "a word of CEL", "`in_value`"),
        ("a: {}", "a", "the trait computes nothing", "Add one of count, any"),
        ("a: 5", "a", "not a mapping", "count, any"),
        ("a: {count: A, sum: A}", "a.sum", "`sum` cannot stand beside `count`", "a trait of its own"),
        ("a: {sum: A}", "a", "`of` is missing: `sum` is of a value", "Add `of: "),
        ("a: {count: A, of: event.properties.x}", "a.of", "`count` is of the events", "Leave it out"),
        ("a: {sum: A, of: event.name}", "a.of", "`sum` is of numbers", "event.properties.value"),
        ("a: {top: A, of: '[1]'}", "a.of", "`top` is of texts", "`string(…)`"),
        ("a: {last: A, of: profile.traits.x}", "a.of", "`profile` is not known here", "Known here: event"),
        ("a: {count: A, where: event.propertis.x > 3}", "a.where", "no field `propertis`", "`properties`"),
        ("a: {count: “A”}", "a.count", "the quotes are part of the name", "Did you mean `A`?"),
        ("a: {count: {page: A, screen: B}}", "a.count", "it names several events", "`{page: …}`"),
        ("a: {count: {pages: A}}", "a.count.pages", "`pages` is not known", "Did you mean `page`?"),
        ("a: {count: 5}", "a.count", "`5` names no event", "Write the event's name"),
        ("a: {count: }", "a.count", "`count` has no value", "Write one"),
        ("a: {sequence: [A]}", "a.sequence", "a sequence of one event", "`last: …`"),
        (f"a: {{sequence: [{'A, ' * 11}]}}", "a.sequence", "`sequence` has 11", "Keep it within 10"),
        ("a: {sum: A, of: event.properties.x, by: event.name}", "a.by", "`sum` has no `by`", "only `count`"),
        ("a: {count: A, by: event.timestamp}", "a.by", "`by` is of texts", "`string(…)`"),
        ("a: {count: A, by: event.nam}", "a.by", "no field `nam`", "`name`"),
        ("a: {rhythm: A, within: 9d}", "a.within", "`rhythm` is of the latest events", "Leave it out"),
        ("a: {rhythm: A, exact: true}", "a.exact", "`rhythm` is exact here", "Leave it out"),
        ("a: {last: A, keep: 5}", "a.keep", "`last` has no `keep`", "only `distinct`"),
        ("a: {distinct: A, of: event.name, keep: 201}", "a.keep", "`201` is out of bounds", "at most 200"),
        ("a: {last: A, exact: true}", "a.exact", "`last` is exact here", "Leave it out"),
        ("a: {unique: A, of: event.name}", "a.unique", "`unique` is not known", "Did you mean `distinct`?"),
        ("a: {count: A, within: 40}", "a.within", "`40` is not a duration", "`40d`"),
    ],
)
def test_each_problem_has_its_path_and_remedy(line: str, path: str, message: str, suggestion: str) -> None:
    [problem] = computed_problems(f"computed:\n  {line}\n")
    assert (problem.line, problem.path) == (2, f"computed.{path}")
    assert message in problem.message
    assert suggestion in problem.suggestion


def test_there_are_at_most_50() -> None:
    [problem] = computed_problems("computed:\n" + "".join(f"  a{number}: {{count: A}}\n" for number in range(51)))
    assert (problem.message, problem.suggestion) == ("`computed` has 51", "Keep it within 50")
