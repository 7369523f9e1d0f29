"""An order confirmation as shops send it, 90 kB of a layout compiler's HTML, with each optional field in each state."""

import random
import re
from collections.abc import Iterator
from copy import deepcopy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain.templates.liquid_context import MAX_WORK, Localization, Rendering
from domain.templates.template_sets import load
from tests.domain.templates.sources import variables
from tests.proofs import rounds

FILE = Path(__file__).parent / "order-confirmation.liquid"
SETS, PROBLEMS = load({FILE.name: FILE.read_text(encoding="utf-8")})
ORDER = SETS["order-confirmation"]
SEED = 20261129
ROUNDS = 60

ADDRESS = {
    "name": "Zoë O'Neil",
    "company": "Ink & Paper <Studio>",
    "address1": "1 Example Street",
    "address2": "Floor 3",
    "zip": "01234",
    "city": "Example Town",
    "country": "de",
    "phone": "+49 30 000000",
}
ITEM = {
    "name": 'Teapot "Classic"',
    "url": "https://shop.example.com/teapot",
    "image_url": "https://img.example.com/teapot.jpg?w=96&h=96",
    "variant": "blue, 1.2 l",
    "options": [{"name": "Engraving", "value": "yes"}, {"name": "Wrap", "value": None}],
    "personalization": "To <b>Ana</b> & Bo",
    "ships_on": "2026-12-03",
    "quantity": 2,
    "price": 39.9,
    "discount": 4.5,
}
PROPERTIES: dict[str, Any] = {
    "placed_at": "2026-11-29T23:30:00Z",
    "currency": "EUR",
    "status": "packed",
    "note": "Please ring\ntwice",
    "items": [ITEM, {**ITEM, "name": "Cups", "price": "12.50", "discount": 0, "options": []}],
    "subtotal": 104.8,
    "discount": {"code": "autumn", "amount": 9},
    "gift_card": 10,
    "gift_message": "All the best",
    "shipping": {
        "method": "Standard",
        "carrier": "the post",
        "price": 4.9,
        "eta_from": "2026-12-02",
        "eta_to": "2026-12-04",
        "tracking_url": "https://track.example.com/?id=1&x=2",
    },
    "shipping_address": ADDRESS,
    "billing_address": ADDRESS,
    "pickup_store": {"name": "Shop 7", "address": "7 Example Square", "hours": ["Mon 9-17", "Tue 9-17"]},
    "tax_lines": [{"title": "VAT", "rate": 0.19, "amount": 16.73}],
    "total": 90.7,
    "refunded": 1.0,
    "payment": {"type": "card", "brand": "visa", "last4": "4242", "due": "2026-12-24"},
    "invoice_url": "https://shop.example.com/invoice/1",
    "points": 1234,
    "recommendations": [
        {
            "name": f"Tea {n}",
            "price": n + 1,
            "url": "https://shop.example.com/t",
            "image_url": "https://img.example.com/t",
        }
        for n in range(4)
    ],
    "support_phone": "+49 30 111111",
}
TRAITS = {"first_name": "ana", "company": "Paper & Co", "points": 9007199254740993}

STATES = ("null", "absent", "empty", "present")
# What of Python's notation, of unread Liquid, or of a greeting without a name would be seen.
FAULTS = re.compile(
    r"None|True|False|Decimal|datetime|Undefined|Missing|Markup\(|\bnan\b|\binf\b|&#39;: |': |\[\]|\{\}"
    r"|\{\{|\}\}|\{%|%\}|Hello ?,|Hello <|you, ?!|, ?\.|\b0[.,]00|\b0 EUR"
)

Path_ = tuple[str | int, ...]


def paths(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """The paths of everything optional: all that there is, lists and objects included."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))


DATA = {"traits": TRAITS, "properties": PROPERTIES}
MISSING = ["null", "absent", "empty"]
FIELDS = [path for path in paths(DATA) if len(path) > 1]


def changed(data: dict[str, Any], path: Path_, state: str) -> None:
    """Put the field into a state; where what it lies in is gone, it is gone already."""
    *way, last = path
    holder: Any = data
    for part in way:
        try:
            holder = holder[part]
        except (KeyError, IndexError, TypeError):
            return
    # An item of a list whose neighbour has gone stands elsewhere, or nowhere.
    if last not in (range(len(holder)) if isinstance(holder, list) else holder or ()):
        return
    if state == "absent":
        del holder[last]
    elif state != "present":
        holder[last] = None if state == "null" else type(_at(DATA, path))() if _is_nested(path) else ""


def _is_nested(path: Path_) -> bool:
    return isinstance(_at(DATA, path), dict | list)


def _at(value: Any, path: Path_) -> Any:
    for part in path:
        value = value[part]
    return value


class _Tags(HTMLParser):
    """Counts tags that open and do not close."""

    VOID = frozenset({"meta", "img", "br", "link", "input", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Neither opens nor closes anything."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def render(data: dict[str, Any], locale: str | None = "de-DE") -> dict[str, Any]:
    """The mail, with what is asserted of each one."""
    given = variables(data["traits"], order_number="A-1001", **data["properties"])
    content = ORDER.render(given, locale, ZoneInfo("Asia/Tokyo"))
    for part in ("subject", "text", "html"):
        body = re.sub(r"<style.*?</style>|<!--.*?-->", "", content[part], flags=re.DOTALL)
        assert not FAULTS.search(body), (part, FAULTS.search(body))
    return content


def assert_well_formed(html: str) -> None:
    tags = _Tags()
    tags.feed(html)
    assert tags.open == []


def test_it_is_a_mail_as_shops_send_it() -> None:
    assert PROBLEMS == []
    assert 90_000 < FILE.stat().st_size < 100_000
    content = render(DATA)
    assert content["subject"] == "Your order A-1001, ana"
    assert "Hello Ana,<br>" in content["html"]
    for said in (
        "30. November 2026",
        "70,80\u00a0€",
        "25,00\u00a0€",
        "19&nbsp;%",
        "04.12.2026",
        "9.007.199.254.740.993",
    ):
        assert said in content["html"]
    assert "Ink &amp; Paper &lt;Studio&gt;" in content["html"]
    assert len(content["html"]) > 80_000
    assert_well_formed(content["html"])


# Present is how all of them are in each of these, but for the one.
@pytest.mark.prove
@pytest.mark.parametrize("state", MISSING)
def test_every_optional_field_in_every_state(state: str) -> None:
    """In the short form each field is in one of the states."""
    for path in FIELDS[rounds(MISSING.index(state), 0) :: rounds(len(MISSING), 1)]:
        data = deepcopy(DATA)
        changed(data, path, state)
        render(data)


def test_all_fields_at_once_in_a_state() -> None:
    for state in ("null", "absent", "empty"):
        data = deepcopy(DATA)
        for path in reversed(FIELDS):
            changed(data, path, state)
        assert "Hello there,<br>" in render(data, None)["html"]
    nothing: dict[str, Any] = {"traits": {}, "properties": {}}
    html = render(nothing)["html"]
    assert "Hello there,<br>" in html
    assert_well_formed(html)


def test_random_combinations() -> None:
    print(f"seed {SEED}")  # noqa: T201 - with which to repeat it
    chance = random.Random(SEED)
    for _ in range(ROUNDS):
        data = deepcopy(DATA)
        share = chance.random()
        for path in FIELDS:
            if chance.random() < share:
                changed(data, path, chance.choice(STATES))
        assert_well_formed(render(data, chance.choice(["de", "en-US", "pt_BR", "ar", "ja", "xx", None]))["html"])


def test_it_is_far_within_its_budget() -> None:
    data = deepcopy(DATA)
    data["properties"]["items"] *= 20
    rendering = Rendering(variables(data["traits"], order_number="A-1", **data["properties"]), Localization("de"))
    ORDER.variants[""].render(rendering)
    assert rendering.budget.left > MAX_WORK * 0.8
