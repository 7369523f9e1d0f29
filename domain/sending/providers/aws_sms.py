"""The settings of an account at AWS End User Messaging SMS."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from domain.campaign.schema import Given
from domain.sending.providers.secret_reference import SecretReference
from domain.sending.providers.ses import Region, Topic
from domain.sending.providers.text_model import TextModel


class AwsSmsModel(TextModel):
    """An account at AWS End User Messaging SMS."""

    name: ClassVar[str] = "aws_sms"

    kind: Literal["aws_sms"] = Field(description="`aws_sms`")
    region: Region = Field(description="the region: `eu-west-1`")
    key: SecretReference = Field(description="the id of the access key: `{env: SOJOURN_SECRET_AWS_KEY}`")
    secret: SecretReference = Field(description="its secret: `{file: /run/secrets/aws}`")
    from_: Annotated[str, Field(pattern=r"^[A-Za-z0-9_:/+-]{1,256}$")] = Field(
        alias="from", description="the identity that sends: a number, a sender id or a pool, or its ARN"
    )
    configuration_set: Annotated[str | None, Given, Field(pattern=r"^[A-Za-z0-9_:/-]{1,256}$")] = Field(
        None, description="the configuration set, which publishes what becomes of the messages"
    )
    topics: Annotated[list[Topic], Field(max_length=20)] = Field(
        [], description="the topics of SNS to which it and the numbers publish, whose callbacks are read"
    )
