"""Settings of a deployment, read once at the edge from the variables SOJOURN_….

Secrets may stand in files (`SOJOURN_ADMIN_KEY_FILE`), and how Temporal is reached in Temporal's own variables. `make
settings` writes docs/settings.md from the classes, their docstrings and the descriptions of their fields.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import maxminddb
from pydantic import Field, FilePath, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails

from domain.deployment import secrets
from domain.deployment.findings import DeploymentFinding, DeploymentPart
from domain.deployment.secrets import SecretFault
from domain.sending.outbound_secrets import BoundSecret
from domain.tracking.decode import MAX_BATCH_BYTES
from domain.tracking.identifiers import DEFAULT_PLACEHOLDERS
from settings_console import ConsoleSettings
from settings_sources import (
    PREFIX,
    EnvironmentSettings,
    variable_of,
)
from settings_temporal import CodecServerSettings, TemporalSettings, UiSettings
from settings_types import (
    DatabaseUrl,
    FaultError,
    ListeningAddress,
    MailDomain,
    Networks,
    Port,
    PublicUrl,
    RateLimit,
    Texts,
    Timezone,
    WebAddress,
    refuse,
)

# Secrets that must differ from each other, in the order of their fields.
_DISTINCT: Final = ("write_key", "admin_key", "link_secret", "webhook_signing_secret", "smtp_password")


_HTTP_URL: Final = re.compile(r"https?://[^\s/?#]+(/\w*)?")


class DatabaseSettings(EnvironmentSettings):
    """The database, which holds all state and is the only place with personal data."""

    database_url: DatabaseUrl = Field(
        description="the database of the deployment: `postgresql://user:password@host:port/name`"
    )
    database_pool_size: Annotated[int, Field(ge=1, le=200)] = Field(
        10, description="connections of each process; an API process admits 20 requests for each of them"
    )


class ClickHouseSettings(EnvironmentSettings):
    """An optional [copy of what is recorded](data.md#copy-in-clickhouse)."""

    clickhouse_url: SecretStr | None = Field(
        None,
        examples=["https://sojourn:password@clickhouse:8443/sojourn"],
        description="the HTTP interface of ClickHouse and a database there, to which workers copy; none by default",
    )

    @field_validator("clickhouse_url")
    @classmethod
    def _is_http(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _HTTP_URL.fullmatch(url.get_secret_value()):
            refuse(SecretFault("is not the URL of an HTTP interface", "write https://user:password@host:8443/database"))
        return url


class WatchSettings(EnvironmentSettings):
    """Addresses at which a process is [watched](operations.md#watch), without a key.

    Traces go where OpenTelemetry's own variables say (`OTEL_EXPORTER_OTLP_ENDPOINT`).
    """

    metrics_address: ListeningAddress | None = Field(
        None,
        description="where Prometheus reads this process, such as `0.0.0.0:9464`; each process of a machine needs an "
        "address of its own",
    )
    health_address: ListeningAddress | None = Field(
        None, description="where a worker answers `/healthz` and `/readyz`, such as `127.0.0.1:9465`"
    )


class ApiSettings(EnvironmentSettings):
    """The addresses of the API, its keys and [its limits](api.md#limits).

    The limits of a key hold in each API process; 0 sets no limit.
    """

    api_host: str = Field("127.0.0.1", description="the address on which the API listens; `0.0.0.0` for all")
    api_port: Port = Field(8080, description="the port on which the API listens")
    public_url: PublicUrl = Field(
        "http://localhost:8080",
        description="the address at which recipients reach the API, for unsubscribe links; `https://`, unless it leads "
        "to this machine",
    )
    tracking_url: PublicUrl | None = Field(
        None,
        description="another address of the API, for the tracked links of messages; left out, that of "
        "`SOJOURN_PUBLIC_URL`",
    )
    write_key: SecretStr = Field(
        SecretStr(""), description="a key of scope `ingest`, for tracking; `sojourn keys create` makes others"
    )
    admin_key: SecretStr = Field(
        SecretStr(""), description="a key of scope `admin`, which opens the whole API and makes the first keys"
    )
    rate_limit: RateLimit = Field(1_000, description="requests of a key in a second")
    rate_limit_events: RateLimit = Field(10_000, description="events of a key in a second")
    rate_limit_bytes: RateLimit = Field(
        16 * 1024 * 1024, description="bytes of tracking calls of a key in a second, decompressed"
    )
    rate_limit_address: RateLimit = Field(
        100, description="requests, and events, of one client address in a second with browser keys, which all share"
    )
    country_database: FilePath | None = Field(
        None,
        description="a file in MaxMind's format, by which events of browsers have the country of the client's address, "
        "unless they say one. The address itself is not stored",
    )
    max_connections: Annotated[int, Field(ge=1)] = Field(2_000, description="connections of clients to an API process")
    client_streams: Annotated[int, Field(ge=0)] = Field(
        1_000,
        description="streams of pages and apps that an API process holds open; further ones poll. At most half of its "
        "connections",
    )
    max_batch_bytes: Annotated[int, Field(ge=32 * 1024, le=MAX_BATCH_BYTES)] = Field(
        MAX_BATCH_BYTES,
        description="bytes of a batch of tracking calls, decompressed; Segment's own servers take 512000",
    )
    placeholder_ids: Texts = Field(
        DEFAULT_PLACEHOLDERS,
        description="texts that clients send where they have no id, in place of the default list and in any letter "
        "case. As `userId`, `anonymousId`, `previousId`, `groupId` or `messageId` they count as none",
    )
    trusted_proxies: Networks = Field(
        (),
        description="networks of the proxies before the API, such as `10.0.0.0/8,fd00::/8`: their `X-Forwarded-For` or "
        "`Forwarded` says which client a request comes from. By default none is believed",
    )

    @field_validator("country_database")
    @classmethod
    def _readable_database(cls, file: FilePath | None) -> FilePath | None:
        if file is not None:
            try:
                maxminddb.open_database(str(file)).close()
            except (maxminddb.InvalidDatabaseError, OSError):
                refuse(SecretFault("is not a database in MaxMind's format", "name a file that ends with .mmdb"))
        return file

    @field_validator("write_key", "admin_key")
    @classmethod
    def _strong_key(cls, key: SecretStr, info: ValidationInfo) -> SecretStr:
        # An empty key is never valid.
        if secret := key.get_secret_value():
            refuse(secrets.find_secret_fault(secret))
            refuse(secrets.find_repeated([secret], _others(info)))
        return key


class CampaignSettings(EnvironmentSettings):
    """[Approval](campaigns.md#approval) of campaigns, the same for all processes."""

    approval_above: Annotated[int, Field(ge=0)] | None = Field(
        None,
        description="a campaign that may reach more people than this waits until another person has approved it; by "
        "default none does",
    )


class DecisionSettings(EnvironmentSettings):
    """The zone and the inbox, by which is decided about messages."""

    timezone: Timezone = Field(
        "UTC", description="the IANA zone of recipients whose own is not known, nor that of their campaign"
    )
    inbox_url: WebAddress | None = Field(
        None,
        description="the inbox of a `sojourn dev`, for development: it shows the messages of "
        "[providers](providers.md) of the kind `console`, and of channels without a provider",
    )


class BacktestSettings(DatabaseSettings, DecisionSettings):
    """The settings of a backtest, which needs no secret but that of the database."""


class MessageSettings(EnvironmentSettings):
    """The links and the webhooks of messages."""

    link_secret: SecretStr = Field(
        examples=[secrets.MAKE_SECRET],
        description="a list that signs unsubscribe links. The newest secret stands first and signs, all of them "
        "verify; one that is removed breaks the links that it has signed",
    )
    reply_domain: MailDomain | None = Field(
        None,
        description="the domain [whose mails come to Sojourn](replies.md): replies, and unsubscriptions by mail",
    )
    webhook_signing_secret: SecretStr = Field(
        examples=[secrets.MAKE_SIGNING_SECRET],
        description="a list that signs webhooks: secrets of Standard Webhooks, `whsec_` and base64. A request "
        "carries a signature by each of them",
    )
    webhook_secrets: dict[str, BoundSecret] = Field(
        {},
        description="secrets that webhooks name as `{{ secrets.name }}` and [providers](providers.md#secrets) by "
        "variable or file, and [the hosts that each may go to](webhooks.md#secrets); in the folder, the files `name` "
        "and `name.hosts`",
    )
    webhook_allow_private_addresses: bool = Field(
        False, description="whether webhooks may reach this machine and private networks"
    )

    @field_validator("link_secret")
    @classmethod
    def _strong_link_secrets(cls, listed: SecretStr, info: ValidationInfo) -> SecretStr:
        found = secrets.read_list(listed.get_secret_value()) or [""]
        for secret in found:
            refuse(secrets.find_secret_fault(secret))
        refuse(secrets.find_repeated(found, _others(info)))
        return listed

    @field_validator("webhook_signing_secret")
    @classmethod
    def _strong_signing_secrets(cls, listed: SecretStr, info: ValidationInfo) -> SecretStr:
        found = secrets.read_list(listed.get_secret_value()) or [""]
        for secret in found:
            refuse(secrets.find_signing_fault(secret))
        refuse(secrets.find_repeated(found, _others(info)))
        return listed

    @property
    def link_secrets(self) -> list[str]:
        """The newest first, which signs."""
        return secrets.read_list(self.link_secret.get_secret_value())

    @property
    def webhook_signing_secrets(self) -> list[str]:
        """The newest first."""
        return secrets.read_list(self.webhook_signing_secret.get_secret_value())


class MailSettings(EnvironmentSettings):
    """The server that takes the e-mails."""

    smtp_host: str = Field("localhost", description="its name or address")
    smtp_port: Port = Field(587, description="its port")
    smtp_username: str | None = Field(None, description="the user name, where the server asks for one")
    smtp_password: SecretStr | None = Field(None, description="the password, where the server asks for one")
    smtp_return_domain: MailDomain | None = Field(
        None,
        description="the domain [whose bounces come back](replies.md): mails are from an address there, one for each",
    )
    smtp_security: Literal["none", "starttls", "tls"] = Field(
        "starttls",
        description="`tls` from the first byte, `starttls`, which is never skipped, or `none`, which is refused with a "
        "password unless the server is on this machine",
    )

    @field_validator("smtp_password")
    @classmethod
    def _printable(cls, password: SecretStr | None) -> SecretStr | None:
        if password and not password.get_secret_value().isprintable():
            refuse(SecretFault("holds control characters", "copy it once more"))
        return password

    @field_validator("smtp_security")
    @classmethod
    def _password_is_hidden(cls, security: str, info: ValidationInfo) -> str:
        if (
            security == "none"
            and info.data.get("smtp_password")
            and not secrets.is_loopback(info.data.get("smtp_host", ""))
        ):
            refuse(SecretFault("is none and would send SOJOURN_SMTP_PASSWORD in the clear", "set starttls or tls"))
        return security


# A class is validated after those that stand behind it: the password of the mail server before the keys, as _DISTINCT
# has them.
class Settings(
    DatabaseSettings,
    ClickHouseSettings,
    TemporalSettings,
    UiSettings,
    WatchSettings,
    CampaignSettings,
    DecisionSettings,
    MessageSettings,
    ApiSettings,
    ConsoleSettings,
    MailSettings,
):
    """Settings of one deployment, the same for API, worker and command line."""


def find_setting_faults(error: ValidationError) -> list[DeploymentFinding]:
    """Return the faults of settings, each with variable and remedy, without values."""
    return [_describe_fault(fault) for fault in error.errors(include_input=False, include_url=False)]


def _describe_fault(error: ErrorDetails) -> DeploymentFinding:
    name = str(error["loc"][0])
    cause = error.get("ctx", {}).get("error")
    variable, field = variable_of(name), {**CodecServerSettings.model_fields, **Settings.model_fields}[name]
    if isinstance(cause, FaultError):
        return DeploymentFinding(DeploymentPart.SETTINGS, f"{variable} {cause.fault.problem}", cause.fault.remedy)
    if error["type"] == "missing":
        return DeploymentFinding(
            DeploymentPart.SETTINGS,
            f"{variable} is not set",
            field.examples[0] if field.examples else f"it is {field.description}",
        )
    return DeploymentFinding(DeploymentPart.SETTINGS, f"{variable} is not valid", str(cause) if cause else error["msg"])


def _others(info: ValidationInfo) -> Sequence[tuple[str, str]]:
    """The other secrets, as far as they were validated before."""
    given = ((name, info.data.get(name)) for name in _DISTINCT if name != info.field_name)
    return [
        (f"{PREFIX}{name.upper()}", secret)
        for name, value in given
        if isinstance(value, SecretStr)
        for secret in secrets.read_list(value.get_secret_value())
    ]
