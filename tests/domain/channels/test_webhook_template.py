"""The request of a webhook as its template describes it: what is refused when it is published, and what is rendered."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.templates.secret_text import SecretText
from domain.templates.template_sets import TemplateRenderError, TemplateSet, load
from tests.domain.templates.sources import only, variables


def call(front: str, below: str = "", *, url: str = "https://api.example.com/v1") -> str:
    return f"---\nchannel: webhook\nurl: {url}\n{front}\n---\n{below}"


def render(template: TemplateSet, traits: Mapping[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    return template.render(variables(traits, **properties), None)


def faults(text: str) -> list[tuple[int, str]]:
    return [(problem.line, problem.message) for problem in load({"t.liquid": text})[1]]


FULL = """method: PUT
headers:
  Authorization: Bearer {{ secrets.crm_token }}
  X-Region: "{{ profile.traits.region | default: 'eu' }}"
body:
  user: "{{ profile.user_id }}"
  tags: ["{{ entry.properties.tag }}", 1, true, null]
  items: "{{ entry.properties.items | json }}"
"""


def test_a_call_is_rendered_as_it_is_written() -> None:
    url = "https://api.example.com/users/{{ profile.user_id }}/tags?q={{ entry.properties.tag }}&n=1"
    request = render(only(call(FULL, url=url)), {"region": "us"}, tag='a&b="/ü', items=[{"n": 1}])
    assert request == {
        "method": "PUT",
        "url": "https://api.example.com/users/u1/tags?q=a%26b%3D%22%2F%C3%BC&n=1",
        "headers": {"Authorization": "Bearer {{ secrets.crm_token }}", "X-Region": "us"},
        "body": {"user": "u1", "tags": ['a&b="/ü', 1, True, None], "items": [{"n": 1}]},
    }


def test_a_list_may_be_the_body() -> None:
    assert render(only(call("body: [1, '{{ profile.user_id }}']")))["body"] == [1, "u1"]


@pytest.mark.parametrize("method", ["GET", "get", "DELETE"])
def test_a_call_may_have_no_body(method: str) -> None:
    request = render(only(call(f"method: {method}")))
    assert request == {"method": method.upper(), "url": "https://api.example.com/v1", "headers": {}}


@pytest.mark.parametrize(
    ("front", "below", "repeatable"),
    [
        ("", "user: 1", True),
        ("body: {}", "", False),
        ("method: PATCH\nbody: {}", "", False),
        ("method: PUT\nbody: {}", "", True),
        ("method: GET", "", True),
        ("method: DELETE", "", True),
    ],
)
def test_what_may_be_repeated_is_signed_or_idempotent(front: str, below: str, *, repeatable: bool) -> None:
    assert only(call(front, below)).is_repeatable(None) is repeatable


def test_a_variant_has_a_method_of_its_own() -> None:
    files = {"t.liquid": call("method: PUT\nbody: {}"), "t.de.liquid": "---\nmethod: POST\n---\n"}
    sets, problems = load(files)
    assert problems == []
    assert [sets["t"].is_repeatable(locale) for locale in ("en", "de-AT")] == [True, False]


WRONG = [
    ("method: FETCH\nbody: {}", "", 4, "there is no method 'FETCH'"),
    ("method: GET\nbody: {}", "", 5, "a GET request has no body"),
    ("body: {}", "user: 1", 6, "there is a body in the front matter, and data below it"),
    ("method: PUT", "user: 1", 6, "data below the front matter is signed and sent by POST"),
    ("method: PUT", "", 6, "the PUT request has no body"),
    ("", "", 6, "this must be a YAML mapping"),
    ("body: text", "", 4, "'body' must be a YAML mapping"),
    ("headers: 5\nbody: {}", "", 4, "'headers' must be a YAML mapping"),
    ("headers: [a]\nbody: {}", "", 4, "headers are a mapping"),
    ("headers:\n  X-A: 5\nbody: {}", "", 5, "the value of a header is a text"),
    ("headers:\n  X-A: [a]\nbody: {}", "", 4, "the header 'X-A' has a mapping or a list for a value"),
    ("headers:\n  X-A: a\n  x-a: b\nbody: {}", "", 6, "the header 'x-a' stands here twice, letter case apart"),
    ("headers:\n  X-A: a\n  X-A: b\nbody: {}", "", 6, "the key `X-A` stands here twice, first on line 5"),
    ("headers:\n  X A: a\nbody: {}", "", 5, "'X A' is not the name of a header"),
    ("headers:\n  'X:A': a\nbody: {}", "", 5, "'X:A' is not the name of a header"),
    ('headers:\n  "X\\r\\nA": a\nbody: {}', "", 5, "'X\r\nA' is not the name of a header"),
    ("headers:\n  X-A: '{{ profile.traits.a | upcas }}'\nbody: {}", "", 5, "there is no filter 'upcas'"),
    ("method: {a: b}\nbody: {}", "", 4, "this must be a text"),
    ("save: {a: id}\nbody: {}", "", 4, "'a' names no place in the reply"),
    ("save: {a: 5}\nbody: {}", "", 4, "'a' names no place in the reply"),
    ("save: {a: [reply.json]}\nbody: {}", "", 4, "'a' names no place in the reply"),
    ("save:\n  1a: reply.json\nbody: {}", "", 5, "'1a' is not a name for a saved value"),
    ("save: [a]\nbody: {}", "", 4, "saved values have names"),
    ("subject: x\nbody: {}", "", 4, "there is no key 'subject'"),
]  # fmt: skip


@pytest.mark.parametrize(("front", "below", "line", "message"), WRONG)
def test_what_is_no_request_is_refused(front: str, below: str, line: int, message: str) -> None:
    assert (line, message) in faults(call(front, below))


def test_a_place_in_the_reply_is_suggested() -> None:
    [problem] = load({"t.liquid": call("save: {a: ticket.id}\nbody: {}")})[1]
    assert problem.suggestion == "Write it as reply.json.ticket.id"


OWN = ["Host", "content-length", "Transfer-Encoding", "Connection", "TE", "Upgrade", "Expect", "Content-Encoding"]
SIGNED = ["webhook-id", "Webhook-Timestamp", "webhook-signature", "Idempotency-Key"]
READ_THE_SAME = ["Content_Length", "transfer_encoding", "Webhook_Signature"]


@pytest.mark.parametrize("name", [*OWN, *SIGNED, *READ_THE_SAME])
def test_headers_of_the_request_itself_cannot_be_set(name: str) -> None:
    [(line, message)] = faults(call(f"headers:\n  {name}: x\nbody: {{}}"))
    assert line == 5
    assert f"the header '{name}' cannot be set" in message


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\x00b", "a\x7fb", "Grüße"])
def test_a_value_never_becomes_a_header_of_its_own(value: str) -> None:
    template = only(call("headers:\n  X-Name: '{{ profile.traits.name }}'\nbody: {}"))
    with pytest.raises(TemplateRenderError, match="control characters or letters beyond ASCII") as failed:
        render(template, {"name": value})
    assert value not in str(failed.value)


def test_a_header_has_a_bound() -> None:
    template = only(call("headers:\n  X-Name: '{{ profile.traits.name }}'\nbody: {}"))
    with pytest.raises(TemplateRenderError, match="exceeds 4096 characters"):
        render(template, {"name": "a" * 4_097})


HOSTS = [
    "https://{{ profile.traits.host }}/v1",
    "https://api.example.com{{ profile.traits.host }}/v1",
    "https://api.{{ profile.traits.host }}.com/v1",
    "https://api.example.com:{{ profile.traits.port }}/v1",
    "{{ profile.traits.url }}",
    "{{ profile.traits.scheme }}://api.example.com/",
    "https://{{ secrets.host }}/v1",
    "https://api.example.com#{{ profile.traits.host }}",
]
NO_URL = [
    "https://good.example.com@evil.example.com/",
    "https://good.example.com:x@evil.example.com/{{ profile.user_id }}",
    "https://good.example.com\\@evil.example.com/",
    "https://good.example.com\\.evil.example.com/{{ profile.user_id }}",
    "ftp://example.com/{{ profile.user_id }}",
    "https:///{{ profile.user_id }}",
    "example.com/{{ profile.user_id }}",
]


@pytest.mark.parametrize("url", [*HOSTS, *NO_URL])
def test_the_host_is_constant(url: str) -> None:
    [(line, message)] = faults(call("body: {}", url=url))
    assert line == 3
    assert message in ("the host of a URL must be constant", "this is not a URL to send to")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://example.com/{% if profile.traits.a %}x{% endif %}", "a URL holds no tags"),
        ("https://example.com/#x", "a URL to send to has no fragment"),
        ("https://example.com/a/../b", "the path of the URL has a segment `.` or `..`"),
        ("https://example.com/%2e/{{ profile.user_id }}", "the path of the URL has a segment `.` or `..`"),
        ("https://example.com/{{ profile.user }}", "there is no variable 'profile.user'"),
        ('"https://example.com/a\\r\\nHost: evil"', "this is not a URL to send to"),
    ],
)
def test_what_else_is_wrong_with_a_url(url: str, message: str) -> None:
    assert faults(call("body: {}", url=url)) == [(3, message)]


URL = "https://api.example.com/users/{{ profile.traits.id }}/orders?q={{ profile.traits.q }}"
ORDERS = only(call("method: GET", url=URL))


@pytest.mark.parametrize(
    ("id", "q", "path"),
    [
        ("a/...b", "", "/users/a%2F...b/orders?q="),
        ("@evil.example.com", "?&#", "/users/%40evil.example.com/orders?q=%3F%26%23"),
        ("%2e%2e", "a b", "/users/%252e%252e/orders?q=a%20b"),
        ("\r\nHost: evil", "\\", "/users/%0AHost%3A%20evil/orders?q=%5C"),
        (7, 1.5, "/users/7/orders?q=1.5"),
    ],
)
def test_a_value_stays_within_its_part_of_the_url(id: object, q: object, path: str) -> None:
    request = render(only(call("method: GET", url=URL)), {"id": id, "q": q})
    assert request["url"] == f"https://api.example.com{path}"


@pytest.mark.parametrize(
    ("id", "said"),
    [
        ("", "is empty"),
        (".", "has a segment `.` or `..`"),
        ("..", "has a segment `.` or `..`"),
        ("a" * 9_000, "exceeds 8000"),
    ]
    + [(id, "has a segment `.` or `..`") for id in ("../../admin", "..\\admin", "a/..", "a/./b", "/..")],
)
def test_a_value_never_names_another_resource(id: str, said: str) -> None:
    with pytest.raises(TemplateRenderError, match=said):
        render(only(call("method: DELETE", url=URL)), {"id": id, "q": ""})


@given(st.text(), st.text())
@example("..", "")
@example("//evil.example.com/", "@")
def test_no_value_changes_the_host_or_the_parts_of_a_url(id: str, q: str) -> None:
    try:
        url = httpx.URL(render(ORDERS, {"id": id, "q": q})["url"])
    except TemplateRenderError:
        # An empty one, or one with a segment of dots: a value of which the URL is not made.
        assert id == "" or {".", ".."} & set(id.replace("\\", "/").split("/"))
        return
    path, query = url.raw_path.decode().split("?")
    begin, users, encoded, orders = path.split("/")
    assert (url.scheme, url.netloc, begin, users, orders) == ("https", b"api.example.com", "", "users", "orders")
    assert url.fragment == ""
    # Line ends are those of all rendered texts.
    assert unquote(encoded) == id.replace("\r\n", "\n").replace("\r", "\n")
    assert unquote(query.removeprefix("q=")) == q.replace("\r\n", "\n").replace("\r", "\n")


SECRETS = """headers: {Authorization: "Basic {{ secrets.login }}"}
body: {key: "{{ secrets.api_key }}", name: "{{ profile.user_id }}"}
"""


def test_a_secret_stays_a_name_in_what_is_rendered() -> None:
    template = only(call(SECRETS, url="https://hooks.example.com/{{ secrets.path }}?k={{ secrets.api_key }}"))
    request = render(template)
    assert request["url"] == "https://hooks.example.com/{{ secrets.path }}?k={{ secrets.api_key }}"
    assert request["headers"] == {"Authorization": "Basic {{ secrets.login }}"}
    assert request["body"] == {"key": "{{ secrets.api_key }}", "name": "u1"}
    filled = request["url"].fill({"path": "T0/B0?x", "api_key": "a/b c"}.__getitem__)
    assert filled == "https://hooks.example.com/T0/B0%3Fx?k=a%2Fb%20c"


@pytest.mark.parametrize("field", ["url", "header", "body"])
def test_a_value_that_looks_like_a_secret_is_a_text(field: str) -> None:
    """A trait that holds the text of a reference is never filled in."""
    template = {
        "url": call("method: GET", url="https://example.com/{{ profile.traits.name }}/{{ secrets.path }}"),
        "header": call("method: GET\nheaders: {X-A: '{{ profile.traits.name }} {{ secrets.path }}'}"),
        "body": call("body: {a: '{{ profile.traits.name }} {{ secrets.path }}'}"),
    }[field]
    request = render(only(template), {"name": "{{ secrets.path }}"})
    text = {"url": request["url"], "header": request["headers"].get("X-A"), "body": request.get("body", {}).get("a")}
    found = text[field]
    assert isinstance(found, SecretText)
    assert found.fill(lambda _: "VALUE").count("VALUE") == 1


@pytest.mark.parametrize(
    "body",
    [
        "{% assign secrets = profile.traits %}{{ secrets.key | default: 'none' }}",
        "{% for secrets in entry.properties.list %}{{ secrets.key | default: 'none' }}{% endfor %}",
    ],
)
def test_a_variable_of_that_name_is_no_secret(body: str) -> None:
    assert render(only(call(f'body: {{a: "{body}"}}')), list=[{"other": 1}])["body"] == {"a": "none"}


TRICKS = [
    "{{ secrets.key | upcase }}",
    "{{ secrets.key | json }}",
    "{{ secrets.key | slice: 0, 1 }}",
    "{{ secrets.key.size }}",
    "{{ secrets }}",
    "{{ secrets.KEY }}",
    "{{ secrets[profile.traits.name] }}",
    "{{ profile.traits.name | default: secrets.key }}",
    "{{ 'x' | append: secrets.key }}",
    "{% assign a = secrets.key %}{{ a | upcase }}",
    "{% assign a = secrets %}{{ a.key | upcase }}",
    "{% capture a %}{{ secrets.key }}{% endcapture %}{{ a | upcase }}",
    "{% if secrets.key == 'a' %}x{% endif %}",
    "{% if secrets.key contains 'a' %}x{% endif %}",
    "{% case secrets.key %}{% when 'a' %}x{% endcase %}",
    "{% for s in secrets %}{{ s }}{% endfor %}",
    "{% for c in secrets.key %}{{ c }}{% endfor %}",
    "{% cycle secrets.key, 'a' %}",
    "{% if true %}{{ secrets.key }}{% endif %}",
    "{% liquid echo secrets.key %}",
    "{{ ['secrets'].key | upcase }}",
]


@pytest.mark.parametrize("trick", TRICKS)
def test_a_secret_is_printed_as_it_is_or_refused(trick: str) -> None:
    [(line, message), *_] = faults(call(f'body:\n  a: "{trick}"'))
    assert line == 5
    assert message == "a secret is only printed as it is"


def test_a_mail_has_no_secrets() -> None:
    mail = "---\nchannel: email\nfrom: a@example.com\nsubject: '{{ secrets.key }}'\ntext: t\n---\n{{ secrets.key }}"
    assert faults(mail) == [(4, "no secret may stand here"), (7, "no secret may stand here")]
