"""The settings of an account at Chatwoot."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from domain.sending.providers.model import ProviderModel
from domain.sending.providers.secret_reference import SecretReference

PageNumber = Annotated[int, Field(ge=1, le=2**53)]
Base = Annotated[str, Field(max_length=300, pattern=r"^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._/-]*)?$")]


class ChatwootModel(ProviderModel):
    """An inbox of an account at Chatwoot, in the cloud or hosted by yourself."""

    name: ClassVar[str] = "chatwoot"
    channels: ClassVar[frozenset[str] | None] = frozenset({"chat"})

    kind: Literal["chatwoot"] = Field(description="`chatwoot`")
    url: Base = Field(description="where it is: `https://app.chatwoot.com`")
    account: PageNumber = Field(description="the number of the account, as in the addresses of its pages")
    inbox: PageNumber = Field(description="the number of the inbox in which conversations begin")
    token: SecretReference = Field(
        description="the access token of an agent, bound to the host: `{env: SOJOURN_SECRET_CHATWOOT}`"
    )
