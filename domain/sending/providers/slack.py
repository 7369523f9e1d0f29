"""The settings of an app in a workspace of Slack."""

from typing import ClassVar, Literal

from pydantic import Field

from domain.sending.providers.model import ProviderModel
from domain.sending.providers.secret_reference import SecretReference


class SlackModel(ProviderModel):
    """An app in a workspace of Slack."""

    name: ClassVar[str] = "slack"
    channels: ClassVar[frozenset[str] | None] = frozenset({"slack"})

    kind: Literal["slack"] = Field(description="`slack`")
    token: SecretReference = Field(
        description="the bot's token, `xoxb-…`, with the scopes `chat:write` and `users:read.email`: "
        "`{env: SOJOURN_SECRET_SLACK}`"
    )
