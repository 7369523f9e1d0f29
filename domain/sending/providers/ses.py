"""The settings of an account at Amazon SES."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from domain.campaign.schema import Given
from domain.sending.providers.email_model import EmailModel
from domain.sending.providers.secret_reference import SecretReference

Region = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")]
Topic = Annotated[str, Field(pattern=r"^arn:aws(-cn|-us-gov)?:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$")]


class SesModel(EmailModel):
    """An account at Amazon SES."""

    name: ClassVar[str] = "ses"

    kind: Literal["ses"] = Field(description="`ses`")
    region: Region = Field(description="the region: `eu-west-1`")
    key: SecretReference = Field(description="the id of the access key: `{env: SOJOURN_SECRET_AWS_KEY}`")
    secret: SecretReference = Field(description="its secret: `{file: /run/secrets/aws}`")
    configuration_set: Annotated[str | None, Given, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = Field(
        None, description="the configuration set, which publishes what comes of the mails"
    )
    topics: Annotated[list[Topic], Field(max_length=20)] = Field(
        [], description="the topics of SNS to which it publishes, whose callbacks are read"
    )
