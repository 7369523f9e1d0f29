"""Settings of the web console and of the MCP server."""

from typing import Annotated, Final

from pydantic import BeforeValidator, Field, SecretStr, TypeAdapter, ValidationError, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from domain.access import ConsoleEdit, McpEdit, Role
from domain.deployment import secrets
from domain.deployment.secrets import SecretFault
from settings_sources import PREFIX, EnvironmentSettings
from settings_types import PublicUrl, refuse

_EXAMPLE: Final = '{"journey-admins": "admin"}'
_ROLES: Final = TypeAdapter(dict[str, Role])


def _read_roles(given: object) -> object:
    """Read the JSON of an environment variable, whose own error would quote it."""
    try:
        return _ROLES.validate_json(given) if isinstance(given, str) else given
    except ValidationError:
        roles = ", ".join(Role)
        raise ValueError(f"must be JSON, a role for each group, such as {_EXAMPLE}; the roles are {roles}") from None


class ConsoleSettings(EnvironmentSettings):
    """The console, its [sessions](api.md#sessions) and [log-in](console.md#log-in)."""

    console_url: PublicUrl | None = Field(
        None,
        description="the address at which people reach the console, where it is not that of `SOJOURN_PUBLIC_URL`. "
        "Sessions are for its pages alone",
    )
    console_edit: ConsoleEdit = Field(
        ConsoleEdit.PLAN,
        description="what the console does with documents: nothing (`off`), it plans them (`plan`), or it applies "
        "plans as well (`apply`). Keys are not concerned",
    )
    mcp_edit: McpEdit = Field(
        McpEdit.PLAN,
        description="what [MCP clients](mcp.md) do with documents, whatever their keys: they plan them (`plan`), or "
        "they apply plans as well (`apply`)",
    )
    oidc_client_id: str | None = Field(None, description="the client that the identity provider has for Sojourn")
    oidc_client_secret: SecretStr | None = Field(None, description="the secret of that client")
    oidc_groups_claim: Annotated[str, Field(min_length=1)] = Field(
        "groups", description="the claim of ID tokens that has the groups of a person"
    )
    oidc_roles: Annotated[dict[str, Role], NoDecode, BeforeValidator(_read_roles)] = Field(
        {},
        examples=[_EXAMPLE],
        description="the [role](api.md#sessions) of each group; a person of several has the scopes of all",
    )
    # Behind the settings without which it is of no use.
    oidc_issuer: str | None = Field(
        None,
        description="the issuer of an OpenID Connect provider, such as `https://accounts.example.com`: people "
        "[log in](console.md#log-in) there",
    )

    @field_validator("oidc_client_secret")
    @classmethod
    def _is_plain(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            refuse(secrets.find_character_fault(secret.get_secret_value(), "copy it once more"))
        return secret

    @field_validator("oidc_issuer")
    @classmethod
    def _is_complete(cls, issuer: str | None, info: ValidationInfo) -> str | None:
        if not issuer:
            return None
        if secrets.find_public_url_fault(issuer) is not None:
            refuse(SecretFault("is not the address of an issuer", "write https://, as its own metadata has it"))
        needed = ("oidc_client_id", "oidc_client_secret", "oidc_roles")
        missing = [f"{PREFIX}{name.upper()}" for name in needed if name in info.data and not info.data[name]]
        if missing:
            refuse(SecretFault(f"is of no use without {' and '.join(missing)}", "set them as well"))
        return issuer
