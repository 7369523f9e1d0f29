"""Push: a notification to the apps and browsers of a person. Its text is the body.

Each push service has a form of its own; the adapters make it of the content that is rendered here.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, get_args

from domain.channels.kind import ChannelKind
from domain.errors import Problem
from domain.suggestions import did_you_mean
from domain.templates.front_matter import Field, Leaf
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText, SourceLocation, TemplateRenderError, compile_liquid

Urgency = Literal["very-low", "low", "normal", "high"]
URGENCIES: Final[tuple[Urgency, ...]] = get_args(Urgency)
# Push services take 4,096 bytes, web push 3,993 before its encryption; the rest is for what adapters add.
MAX_CONTENT_BYTES: Final = 3_300
# Browsers show two, Android three.
MAX_ACTIONS: Final = 2
MAX_DATA: Final = 20
# APNs bounds its header by 64 bytes, and web push by 32 characters of base64: longer ones are hashed there.
MAX_COLLAPSE_CHARACTERS: Final = 64
MAX_BADGE: Final = 99_999
TEST_MARK: Final = "[Test] "

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
# Keys that a push service or an adapter uses itself: https://firebase.google.com/docs/cloud-messaging, `data`.
_RESERVED: Final = re.compile(
    r"from|message_type|message_id|report_url|aps|url|image|actions|title|body|tag|badge|(google|gcm).*", re.IGNORECASE
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_ENDS_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_SCRIPT: Final = re.compile(r"\s*(javascript|data|vbscript|blob|file)\s*:", re.IGNORECASE)
_WEB: Final = re.compile(r"https://[^\s/]+(/\S*)?")


@dataclass(frozen=True, slots=True)
class ActionTemplate:
    """A button of a notification; without a URL it opens that of the notification."""

    id: str
    title: LiquidText
    url: LiquidText | None

    def render(self, rendering: Rendering) -> dict[str, str]:
        """Return {id, title, url}. Raises TemplateRenderError."""
        rendered = {"id": self.id, "title": _one_line(self.title, rendering)}
        return rendered if self.url is None else {**rendered, "url": _url(self.url, rendering)}


@dataclass(frozen=True, slots=True)
class PushTemplate:
    """A notification in one language."""

    title: LiquidText
    text: LiquidText
    url: LiquidText | None
    image: LiquidText | None
    collapse: LiquidText | None
    badge: LiquidText | None
    sound: str | None
    urgency: Urgency
    actions: tuple[ActionTemplate, ...]
    data: Mapping[str, LiquidText]
    place: SourceLocation

    def render(self, rendering: Rendering) -> dict[str, Any]:
        """Return the notification without what it lacks. Raises TemplateRenderError."""
        content: dict[str, Any] = {"title": _one_line(self.title, rendering), "body": self._text(rendering)}
        if self.url is not None:
            content["url"] = _url(self.url, rendering)
        if self.image is not None and (image := self.image.render(rendering).strip()):
            if not _WEB.fullmatch(image):
                raise TemplateRenderError(self.image.place, "the image is not an https URL for this user")
            content["image"] = image
        if self.collapse is not None:
            content["collapse"] = _one_line(self.collapse, rendering)[:MAX_COLLAPSE_CHARACTERS]
        if self.badge is not None and (badge := self.badge.render(rendering).strip()):
            content["badge"] = _count(badge, self.badge.place)
        if self.sound is not None:
            content["sound"] = self.sound
        content["urgency"] = self.urgency
        if self.actions:
            content["actions"] = [action.render(rendering) for action in self.actions]
        if self.data:
            content["data"] = {name: text.render(rendering) for name, text in self.data.items()}
        if (size := measure(content)) > MAX_CONTENT_BYTES:
            said = f"the notification has {size} bytes for this user, and push services take {MAX_CONTENT_BYTES}"
            raise TemplateRenderError(self.place, said)
        return content

    def texts(self) -> Iterator[LiquidText]:
        texts = (self.title, self.text, self.url, self.image, self.collapse, self.badge)
        yield from (text for text in texts if text is not None)
        for action in self.actions:
            yield from (text for text in (action.title, action.url) if text is not None)
        yield from self.data.values()

    def _text(self, rendering: Rendering) -> str:
        text = self.text.render(rendering).strip()
        if not text:
            raise TemplateRenderError(self.text.place, "the text is empty for this user")
        return text


class Push(ChannelKind):
    """A notification to each device of a person."""

    name = "push"
    required = ("title",)
    optional = ("url", "image", "collapse", "urgency", "sound", "badge")
    structured = ("actions", "data")
    uses_devices = True
    # A token says that a device shows notifications, and not that its person wants marketing.
    silence_allows = False
    report_events: ClassVar[Mapping[str, str]] = {
        "delivered": "Push Delivered",
        "opened": "Push Opened",
        "dismissed": "Push Dismissed",
        "failed": "Push Failed",
    }

    def compile(
        self, fields: Mapping[str, Field], body: Field, problems: list[Problem], warnings: list[Problem]
    ) -> PushTemplate | None:
        before = len(problems)
        title, url, image, collapse, badge = (
            _compile(fields.get(key), problems) for key in ("title", "url", "image", "collapse", "badge")
        )
        text = _compile(body, problems)
        urgency = _compile_urgency(fields.get("urgency"), problems)
        sound = _compile_sound(fields.get("sound"), problems)
        actions = _compile_actions(fields["actions"], problems) if "actions" in fields else ()
        data = _compile_data(fields["data"], problems) if "data" in fields else {}
        if not body.value.strip():
            problems.append(body.place.problem("the text is empty", "Write it below the front matter"))
        if "url" in fields:
            _check_url(fields["url"], problems)
        own = [field for key, field in fields.items() if key in (*self.required, *self.optional, *self.structured)]
        sizes = (len(text.strip().encode(errors="replace")) for text in _list_constants([body, *own]))
        if (size := sum(sizes)) > MAX_CONTENT_BYTES:
            said = f"the template has {size} bytes, and a notification at most {MAX_CONTENT_BYTES}"
            warnings.append(body.place.problem(said, "Make it shorter, unless tags take most of it"))
        if title is None or text is None or urgency is None or len(problems) > before:
            return None
        return PushTemplate(title, text, url, image, collapse, badge, sound, urgency, actions, data, body.place)

    def find_doubts(self, content: Mapping[str, Any]) -> Iterator[str]:
        # Half of what iOS and Android show of a collapsed notification, in the widest letters.
        if len(content["title"]) > 50:
            yield f"the title has {len(content['title'])} characters: phones cut it off at about 50"
        if len(content["body"]) > 178:
            yield f"the text has {len(content['body'])} characters: iOS cuts it off at about 178"


def measure(content: Mapping[str, Any]) -> int:
    """Return the bytes of a notification as JSON."""
    return len(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())


def _compile(field: Field | None, problems: list[Problem]) -> LiquidText | None:
    if field is None:
        return None
    compiled, faults = compile_liquid(field.value, field.place)
    problems += faults
    return compiled


def _compile_urgency(field: Field | None, problems: list[Problem]) -> Urgency | None:
    if field is None:
        return "normal"
    written = field.value.strip()
    for urgency in URGENCIES:
        if urgency == written:
            return urgency
    said = f"there is no urgency '{written}'"
    problems.append(field.place.problem(said, did_you_mean(written, URGENCIES, "Urgencies")))
    return None


def _compile_sound(field: Field | None, problems: list[Problem]) -> str | None:
    if field is None:
        return None
    sound = field.value.strip()
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,60}", sound):
        said = "this is not the name of a sound"
        problems.append(field.place.problem(said, "Write `default`, or the name of a file in the app, as chime.caf"))
    return sound


def _compile_actions(field: Field, problems: list[Problem]) -> tuple[ActionTemplate, ...]:
    form = "Write one `- {id: buy, title: Buy it}` a line, with a `url` of its own if it has one"
    if not isinstance(field.tree, list) or not field.tree:
        problems.append(field.place.problem("actions are a list", form))
        return ()
    if len(field.tree) > MAX_ACTIONS:
        said = f"there are {len(field.tree)} actions, and browsers show {MAX_ACTIONS}"
        problems.append(field.place.problem(said, f"Keep {MAX_ACTIONS}"))
    compiled: list[ActionTemplate] = []
    for item in field.tree:
        leaves = dict(_leaves(item))
        id, title, url = (leaves.get(key) for key in ("id", "title", "url"))
        if id is None or title is None or leaves.keys() - {"id", "title", "url"} or not _is_flat(item):
            problems.append(field.place.problem("an action has an `id`, a `title` and perhaps a `url`", form))
        elif not _NAME.fullmatch(id.value):
            problems.append(id.place.problem(f"'{id.value}' is not a name for an action", "Use letters, digits and _"))
        elif id.value in [action.id for action in compiled]:
            problems.append(id.place.problem(f"the action '{id.value}' stands here twice", "Keep one of them"))
        else:
            text, target = _compile(Field(title.value, title.place), problems), None
            if url is not None:
                target = _compile(Field(url.value, url.place), problems)
                _check_url(Field(url.value, url.place), problems)
            if text is not None:
                compiled.append(ActionTemplate(id.value, text, target))
    return tuple(compiled)


def _compile_data(field: Field, problems: list[Problem]) -> dict[str, LiquidText]:
    if not isinstance(field.tree, dict):
        problems.append(field.place.problem("data is a mapping", "Write one name: value a line"))
        return {}
    if len(field.tree) > MAX_DATA:
        problems.append(field.place.problem(f"there are {len(field.tree)} values", f"Keep {MAX_DATA}"))
    compiled: dict[str, LiquidText] = {}
    for name, leaf in field.tree.items():
        if not isinstance(leaf, Leaf) or not isinstance(leaf.value, str):
            place = leaf.place if isinstance(leaf, Leaf) else field.place
            problems.append(place.problem(f"the value of '{name}' is not a text", "Push services take texts: quote it"))
        elif not _NAME.fullmatch(name) or _RESERVED.fullmatch(name):
            said = f"'{name}' is not a name for a value"
            problems.append(leaf.place.problem(said, "Use letters, digits and _, and no name of the push services"))
        elif (text := _compile(Field(leaf.value, leaf.place), problems)) is not None:
            compiled[name] = text
    return compiled


def _check_url(field: Field, problems: list[Problem]) -> None:
    """Refuse a link whose scheme a value chooses, or that runs a script."""
    written = field.value.strip()
    start = written.partition("{{")[0].partition("{%")[0]
    if not _ENDS_SCHEME.match(start) or _SCRIPT.match(start):
        said = "this is not a link that an app opens"
        problems.append(field.place.problem(said, "Begin it with its scheme: https://example.com/cart, or shop://cart"))


def _list_constants(fields: Iterable[Field]) -> Iterator[str]:
    for field in fields:
        yield field.value
        if field.tree is not None:
            yield from (str(leaf.value) for leaf in _all_leaves(field.tree))


def _all_leaves(tree: Any) -> Iterator[Leaf]:
    match tree:
        case Leaf():
            yield tree
        case dict():
            for inner in tree.values():
                yield from _all_leaves(inner)
        case list():
            for inner in tree:
                yield from _all_leaves(inner)


def _leaves(tree: Any) -> Iterator[tuple[str, Leaf]]:
    """Yield the texts of a mapping."""
    if isinstance(tree, dict):
        for name, leaf in tree.items():
            if isinstance(leaf, Leaf) and isinstance(leaf.value, str):
                yield name, leaf


def _is_flat(tree: Any) -> bool:
    return isinstance(tree, dict) and len(dict(_leaves(tree))) == len(tree)


def _one_line(text: LiquidText, rendering: Rendering) -> str:
    line = _CONTROL.sub("", " ".join(text.render(rendering).split()))
    if not line:
        raise TemplateRenderError(text.place, "the text is empty for this user")
    return line


def _url(text: LiquidText, rendering: Rendering) -> str:
    url = text.render(rendering).strip()
    if _CONTROL.search(url) or any(letter.isspace() for letter in url) or not _ENDS_SCHEME.match(url):
        raise TemplateRenderError(text.place, "the link is not a URL for this user")
    return url


def _count(written: str, place: SourceLocation) -> int:
    if not written.isascii() or not written.isdigit() or int(written) > MAX_BADGE:
        raise TemplateRenderError(place, f"the badge is not a number up to {MAX_BADGE} for this user")
    return int(written)
