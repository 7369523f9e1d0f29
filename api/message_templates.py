"""Publish and list the templates of single messages."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from api.auth import Author, allow
from api.campaigns import PublishWarning
from api.dependencies import ChannelPath, RequestModel, ResponseModel, TextField, Using, example
from api.problems import refusals
from api.routes import Route
from application.message_templates import NewTemplate
from domain.access import Scope
from domain.campaign.schema import SLUG
from domain.campaign.steps.send import TEMPLATE_NAME
from domain.errors import InvalidDocumentError, NotFoundError
from domain.sending.caps import TRANSACTIONAL
from domain.sending.single_messages import MAX_NAME_CHARACTERS

router = APIRouter(
    prefix="/v1/templates", tags=["Messages"], dependencies=[Depends(allow(Scope.READ))], route_class=Route
)

_FILES = {
    "password-reset.liquid": "---\nchannel: email\nfrom: Example Shop <hello@example.com>\nsubject: Your new password\n"
    "text: 'Set it here: {{ entry.properties.link }}'\n---\n"
    '<p><a href="{{ entry.properties.link }}">Set a new password</a></p>\n'
}
_TEMPLATE: dict[str, Any] = {
    "channel": "email",
    "name": "password-reset",
    "version": 3,
    "category": "transactional",
    "needs": ["link"],
    "published_at": "2026-11-01T10:00:00Z",
}
TEMPLATE_PATTERN = rf"^{TEMPLATE_NAME}$"
TemplatePath = Annotated[
    str, Path(pattern=TEMPLATE_PATTERN, max_length=MAX_NAME_CHARACTERS, examples=["password-reset"])
]


class NewMessageTemplate(RequestModel):
    model_config = example({"files": _FILES, "category": "transactional"})

    files: Annotated[
        dict[TextField, TextField],
        Field(description="file name to text: `NAME.liquid`, and `NAME.LANG.liquid` for each other language"),
    ]
    category: Annotated[
        str, Field(pattern=SLUG, max_length=64, description="that of messages whose request names none")
    ] = TRANSACTIONAL
    send_window: Annotated[
        dict[TextField, Any] | None,
        Field(
            description="when messages that are not transactional go, as a campaign writes it: "
            '`{"from": "09:00", "to": "21:00"}` of the recipient\'s local time'
        ),
    ] = None


class PublishedTemplate(ResponseModel):
    model_config = example(
        {
            **{name: _TEMPLATE[name] for name in ("channel", "name", "version", "needs")},
            "created": True,
            "warnings": [],
        }
    )

    channel: str
    name: str
    version: int
    created: bool = Field(description="false where the latest version is the same already")
    needs: list[str] = Field(description="the values that `data` of each request must have")
    warnings: list[PublishWarning] = Field(description="what is worth a second look; it is published all the same")


class ListedTemplate(ResponseModel):
    model_config = example(_TEMPLATE)

    channel: str
    name: str
    version: int
    category: str = Field(description="that of messages whose request names none")
    needs: list[str] = Field(description="the values that `data` of each request must have")
    published_at: datetime


class MessageTemplate(ListedTemplate):
    model_config = example({**_TEMPLATE, "files": _FILES})

    files: dict[str, str]


class TemplateList(ResponseModel):
    model_config = example({"templates": [_TEMPLATE]})

    templates: list[ListedTemplate]


@router.put("/{channel}/{template}", responses=refusals(InvalidDocumentError, NotFoundError))
async def publish_template(
    channel: ChannelPath,
    template: TemplatePath,
    request: NewMessageTemplate,
    services: Using,
    by: Author,
) -> PublishedTemplate:
    """Publish a template for single messages, whose requests use it from now on."""
    new = NewTemplate(channel, template, request.files, request.category, request.send_window)
    return PublishedTemplate.model_validate(await services.message_templates.publish(new, by=by))


@router.get("")
async def list_templates(services: Using) -> TemplateList:
    """The templates for single messages, by channel and name."""
    found = await services.message_templates.list()
    return TemplateList(templates=[ListedTemplate.model_validate(each) for each in found])


@router.get("/{channel}/{template}", responses=refusals(NotFoundError))
async def get_template(channel: ChannelPath, template: TemplatePath, services: Using) -> MessageTemplate:
    """A template in force, with its files."""
    return MessageTemplate.model_validate(await services.message_templates.get(channel, template))
