"""Webhooks: an HTTP request, as a signed event or as any API requires it.

Data below the front matter is sent in the envelope of the Standard Webhooks specification. A request with `method` or
`body` is sent as written.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from domain.channels.kind import ChannelKind, Variant
from domain.channels.webhook_headers import HeaderTemplate, compile_headers
from domain.channels.webhook_url import UrlTemplate, compile_url
from domain.errors import Problem
from domain.sending.saved_values import SAVED_NAME, is_reply_path
from domain.suggestions import did_you_mean
from domain.templates.front_matter import Field, Leaf, parse_tree
from domain.templates.json_template import JsonTemplate, compile_json, render_json, texts_in
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)
# RFC 9110, 9.2.2: one request, or several of the same, have the same effect.
IDEMPOTENT: Final = frozenset({"GET", "PUT", "DELETE"})
BODY_IS_OPTIONAL: Final = frozenset({"GET", "DELETE"})


@dataclass(frozen=True, slots=True)
class WebhookTemplate:
    """A webhook's request in one language, with `data`, a `body`, or nothing.

    `content` is the data of the envelope, the body, or None.
    """

    method: Method
    url: UrlTemplate
    headers: tuple[HeaderTemplate, ...]
    content: tuple[Literal["data", "body"], JsonTemplate] | None
    save: Mapping[str, str]

    @property
    def is_signed(self) -> bool:
        """Whether the data is sent in the signed envelope."""
        return self.content is not None and self.content[0] == "data"

    def render(self, rendering: Rendering) -> dict[str, Any]:
        """Return the request: {method, url, headers}, `data` or `body`, and `save`.

        All of it is JSON, with secrets as SecretText. Raises TemplateRenderError.
        """
        request: dict[str, Any] = {
            "method": self.method,
            "url": self.url.render(rendering),
            "headers": {header.name: header.render(rendering) for header in self.headers},
        }
        if self.content is not None:
            key, template = self.content
            request[key] = render_json(template, rendering)
        if self.save:
            request["save"] = dict(self.save)
        return request

    def texts(self) -> Iterator[LiquidText]:
        yield from self.url.texts()
        yield from (header.value for header in self.headers)
        if self.content is not None:
            yield from texts_in(self.content[1])


class Webhook(ChannelKind):
    """A request to the URL that the template names."""

    name = "webhook"
    reaches_people = False
    required = ("url",)
    optional = ("method",)
    structured = ("headers", "body", "save")
    can_save = True

    def compile(
        self, fields: Mapping[str, Field], body: Field, problems: list[Problem], warnings: list[Problem]
    ) -> WebhookTemplate | None:
        before = len(problems)
        url = compile_url(fields["url"], problems) if "url" in fields else None
        headers = compile_headers(fields["headers"], problems) if "headers" in fields else ()
        method = _compile_method(fields.get("method"), problems)
        content = _compile_content(fields, method, body, problems, warnings)
        save = _compile_save(fields["save"], problems) if "save" in fields else {}
        if url is None or method is None or len(problems) > before:
            return None
        return WebhookTemplate(method, url, headers, content, save)

    def is_repeatable(self, variant: Variant) -> bool:
        # A receiver of the envelope knows a message by its id; any other API goes by the method.
        return not isinstance(variant, WebhookTemplate) or variant.is_signed or variant.method in IDEMPOTENT

    def saved_names(self, fields: Mapping[str, Field]) -> frozenset[str]:
        tree = fields["save"].tree if "save" in fields else None
        return frozenset(tree) if isinstance(tree, dict) else frozenset()


def _compile_method(field: Field | None, problems: list[Problem]) -> Method | None:
    if field is None:
        return "POST"
    written = field.value.strip()
    for method in METHODS:
        if method == written.upper():
            return method
    problems.append(
        field.place.problem(f"there is no method '{written}'", did_you_mean(written.upper(), METHODS, "Methods"))
    )
    return None


def _compile_content(
    fields: Mapping[str, Field],
    method: Method | None,
    below: Field,
    problems: list[Problem],
    warnings: list[Problem],
) -> tuple[Literal["data", "body"], JsonTemplate] | None:
    body = fields.get("body")
    has_data = bool(below.value.strip())
    if has_data and (body is not None or method != "POST"):
        said, remedy = _ONE_CONTENT if body is not None else _NOT_SIGNED
        problems.append(below.place.problem(said, remedy))
    elif body is not None and method == "GET":
        # RFC 9110, 9.3.1: servers drop it, or refuse the request.
        said = "a GET request has no body"
        problems.append(body.place.problem(said, "Put the values into the query of the url, or use another method"))
    elif body is not None and body.tree is not None:
        return "body", compile_json(body.tree, problems, may_name_secrets=True)
    elif method in ("PUT", "PATCH"):
        said = f"the {method} request has no body"
        problems.append(
            below.place.problem(said, "Put it under body: in the front matter, `body: {}` for an empty one")
        )
    elif has_data or method not in BODY_IS_OPTIONAL:
        tree, faults, doubts = parse_tree(below)
        problems += faults
        warnings += doubts
        return None if tree is None else ("data", compile_json(tree, problems, may_name_secrets=True))
    return None


def _compile_save(field: Field, problems: list[Problem]) -> dict[str, str]:
    if not isinstance(field.tree, Mapping):
        problems.append(field.place.problem("saved values have names", "Write one name: reply.json.path a line"))
        return {}
    paths: dict[str, str] = {}
    for name, leaf in field.tree.items():
        place = leaf.place if isinstance(leaf, Leaf) else field.place
        if not SAVED_NAME.fullmatch(name):
            said = f"'{name}' is not a name for a saved value"
            problems.append(place.problem(said, "A name has letters, digits and _, and does not begin with a digit"))
        elif not isinstance(leaf, Leaf) or not isinstance(leaf.value, str) or not is_reply_path(leaf.value):
            said = f"'{name}' names no place in the reply"
            meant = f"reply.json.{leaf.value}" if isinstance(leaf, Leaf) else ""
            example = meant if is_reply_path(meant) else "reply.json.ticket.id, or reply.json.items[0].id"
            problems.append(place.problem(said, f"Write it as {example}"))
        else:
            paths[name] = leaf.value
    return paths


_ONE_CONTENT = (
    "there is a body in the front matter, and data below it",
    "Keep the body for an API that wants it as it is, or the data for a receiver of signed webhooks",
)
_NOT_SIGNED = (
    "data below the front matter is signed and sent by POST",
    "Put it under body: in the front matter, or leave the method out",
)
