"""What a deployment says about itself: environment variables with the prefix SOJOURN_, read once at the edge.

Secrets may stand in files (`SOJOURN_ADMIN_KEY_FILE`), and how Temporal is reached in Temporal's own variables.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from temporalio.service import TLSConfig

from domain.deployment import secrets
from domain.deployment.certificates import find_certificate_fault
from domain.deployment.findings import DeploymentFinding, DeploymentPart
from domain.deployment.secrets import SecretFault
from domain.local_time.zones import find_zone
from domain.tracking.decode import MAX_BATCH_BYTES
from domain.tracking.identifiers import DEFAULT_PLACEHOLDERS
from settings_sources import PREFIX, SecretFiles, TemporalEnvironment, Variables, variable_of

# A name, an IPv4 address, or an IPv6 address with or without its brackets.
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|\[?[0-9A-Fa-f:.]+(%\w+)?\]?")
# Secrets that must differ from each other, in the order of their fields.
_DISTINCT: Final = ("write_key", "admin_key", "link_secret", "webhook_signing_secret", "smtp_password")


def _postgresql(url: SecretStr) -> SecretStr:
    """A URL that libpq can read: what it says of others quotes them, and so the password."""
    text = url.get_secret_value()
    try:
        ports = conninfo_to_dict(text).get("port") or ""
    except ProgrammingError:
        ports = None
    are_ports = ports is not None and all(not port or _is_port(port) for port in str(ports).split(","))
    if not text.startswith(("postgresql://", "postgres://")) or not are_ports:
        raise ValueError("must be postgresql://user:password@host:port/name, with %40 for an `@` and %2F for a `/`")
    return url


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < int(text) < 65_536


Port = Annotated[int, Field(ge=1, le=65_535)]


def _listening_address(address: str) -> str:
    if not _is_address(address):
        raise ValueError("must be host:port, as 127.0.0.1:9464, 0.0.0.0:9464 or [::]:9464")
    return address


def _temporal_address(address: str) -> str:
    if not _is_address(address):
        raise ValueError("must be host:port without a scheme or path, as localhost:7233; TEMPORAL_TLS=true sets TLS")
    return address


def _is_address(address: str) -> bool:
    host, _, port = address.rpartition(":")
    return bool(_HOST.fullmatch(host)) and port.isdecimal() and 0 < int(port) < 65_536


def _zone(name: str) -> str:
    if find_zone(name) is None:
        raise ValueError("must be the IANA name of a time zone, as Europe/Berlin or UTC")
    return name


def _public_url(url: str) -> str:
    _refuse(secrets.find_public_url_fault(url))
    return url


def _web_address(url: str) -> str:
    try:
        is_complete = bool(urlsplit(url).hostname)
    except ValueError:
        is_complete = False
    if not is_complete:
        raise ValueError("must be an address such as http://localhost:8233")
    return url


def _read_object(value: Any) -> Any:
    """Read a JSON object of objects from a variable."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value, type=dict[str, dict[str, Any]])
    except msgspec.DecodeError as error:
        fault = SecretFault("is no JSON object of objects", 'write it as {"email": {"kind": "smtp", "host": "…"}}')
        raise _FaultError(fault) from error


def _split_list(texts: object) -> object:
    """A list as an environment variable holds it, with commas."""
    return [text.strip() for text in texts.split(",") if text.strip()] if isinstance(texts, str) else texts


class _FaultError(ValueError):
    """A fault on its way through the validation."""

    def __init__(self, fault: SecretFault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def _refuse(fault: SecretFault | None) -> None:
    if fault is not None:
        raise _FaultError(fault)


class _FromEnvironment(BaseSettings):
    """Settings by SOJOURN_ variables, by the files that SOJOURN_…_FILE name, and by Temporal's variables."""

    # A refusal must not show what was given: it may be a secret.
    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The first that has a value decides."""
        return init_settings, SecretFiles(settings_cls), Variables(settings_cls), TemporalEnvironment(settings_cls)

    @field_validator("*", mode="before")
    @classmethod
    def _readable(cls, value: Any) -> Any:
        if isinstance(value, SecretFault):
            raise _FaultError(value)
        return value


class DatabaseSettings(_FromEnvironment):
    """What a migration needs."""

    database_url: Annotated[SecretStr, AfterValidator(_postgresql)] = Field(
        description="PostgreSQL, as postgresql://user:password@host:port/name"
    )


class PayloadSettings(_FromEnvironment):
    """How payloads are encrypted on their way to Temporal."""

    payload_keys: SecretStr | None = Field(
        None,
        examples=[secrets.MAKE_PAYLOAD_KEY],
        description="encrypt what travels to Temporal: `id:base64` of 32 bytes, the newest first, which encrypts; "
        "all decrypt. Workers need them, the API does not",
    )

    @field_validator("payload_keys")
    @classmethod
    def _strong_payload_keys(cls, listed: SecretStr | None) -> SecretStr | None:
        found = secrets.read_list(listed.get_secret_value()) if listed else []
        for key in found:
            _refuse(secrets.find_payload_key_fault(key))
        _refuse(secrets.find_repeated([key.partition(":")[0] for key in found], []))
        return listed if found else None

    @property
    def payload_keys_by_id(self) -> dict[str, bytes]:
        """The newest first, which encrypts; none where payloads are not encrypted."""
        return secrets.read_payload_keys(self.payload_keys.get_secret_value()) if self.payload_keys else {}


class UiSettings(_FromEnvironment):
    """Where people look at journeys in Temporal."""

    temporal_ui_url: Annotated[str, AfterValidator(_web_address)] = Field(
        "http://localhost:8233", description="the Temporal UI, where links to journeys lead"
    )


class CodecServerSettings(PayloadSettings, UiSettings):
    """What a codec server needs."""

    codec_key: SecretStr | None = Field(
        None,
        examples=[secrets.MAKE_SECRET],
        description="what callers of the codec server must bring; needed where it is reached from other machines",
    )

    @field_validator("codec_key")
    @classmethod
    def _strong_codec_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key:
            _refuse(secrets.find_secret_fault(key.get_secret_value()))
        return key or None


class TemporalSettings(PayloadSettings):
    """How Temporal is reached, which is what the promotion of a build needs.

    TLS, client certificates and profiles are given by Temporal's own variables (TEMPORAL_TLS_…, TEMPORAL_PROFILE).
    """

    temporal_address: Annotated[str, AfterValidator(_temporal_address)] = Field(
        "localhost:7233", description="Temporal frontend, host:port"
    )
    temporal_namespace: str = "default"
    temporal_api_key: SecretStr | None = Field(None, description="of Temporal Cloud, or of a proxy before the frontend")
    temporal_grpc_meta: dict[str, str] = Field({}, repr=False, description="sent with each call to Temporal")
    # With an API key, TLS is the default, as in Temporal's own tools.
    temporal_tls: Annotated[bool | TLSConfig | None, Field(validate_default=True, repr=False)] = None
    task_queue: str = Field(
        "sojourn",
        # Temporal takes 1,000 characters, with the suffix of a channel and what makes a version of it.
        pattern="^[A-Za-z0-9_-]{1,200}$",
        description="journeys and the gate; a channel's sends use {task_queue}-{channel}; names the worker deployment",
    )
    build_id: str | None = Field(
        None,
        pattern="^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$",
        description="build of the workers; where it is given they take no task before `sojourn promote`",
    )

    @field_validator("temporal_api_key")
    @classmethod
    def _sendable(cls, key: SecretStr | None) -> SecretStr | None:
        if key:
            _refuse(secrets.find_character_fault(key.get_secret_value(), "copy it once more"))
        return key

    @field_validator("temporal_tls")
    @classmethod
    def _check_encryption(cls, tls: bool | TLSConfig | None, info: ValidationInfo) -> bool | TLSConfig:
        key, host = info.data.get("temporal_api_key"), info.data.get("temporal_address", "").rpartition(":")[0]
        if tls is None:
            return bool(key)
        if tls is False and key and not secrets.is_loopback(host):
            _refuse(SecretFault("is off, and Temporal's API key would be sent in the clear", "unset TEMPORAL_TLS"))
        if isinstance(tls, TLSConfig):
            _refuse(find_certificate_fault(tls.server_root_ca_cert, tls.client_cert, tls.client_private_key))
        return tls


class WatchSettings(_FromEnvironment):
    """What a process needs to be watched. Traces go where OpenTelemetry's own variables say (OTEL_EXPORTER_OTLP_…)."""

    metrics_address: Annotated[str, AfterValidator(_listening_address)] | None = Field(
        None,
        description="where Prometheus reads this process, as 0.0.0.0:9464; each process of a machine needs its own. "
        "No key is asked for there; nowhere by default",
    )


class MailSettings(_FromEnvironment):
    """The server that takes the mails."""

    smtp_host: str = "localhost"
    smtp_port: Port = 587
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_security: Literal["none", "starttls", "tls"] = "starttls"

    @field_validator("smtp_password")
    @classmethod
    def _printable(cls, password: SecretStr | None) -> SecretStr | None:
        if password and not password.get_secret_value().isprintable():
            _refuse(SecretFault("holds control characters", "copy it once more"))
        return password

    @field_validator("smtp_security")
    @classmethod
    def _password_is_hidden(cls, security: str, info: ValidationInfo) -> str:
        if (
            security == "none"
            and info.data.get("smtp_password")
            and not secrets.is_loopback(info.data.get("smtp_host", ""))
        ):
            _refuse(SecretFault("is none and would send SOJOURN_SMTP_PASSWORD in the clear", "set starttls or tls"))
        return security


class Settings(DatabaseSettings, TemporalSettings, UiSettings, WatchSettings, MailSettings):
    """The settings of one deployment. Every process of it (API, worker, command line) reads the same ones."""

    database_pool_size: Annotated[int, Field(ge=1, le=200)] = Field(10, description="connections a process")

    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        "UTC", description="IANA name of the zone of recipients whose own is not known, nor their campaign's"
    )

    write_key: SecretStr = Field(SecretStr(""), description="a key of scope ingest; keys in the database do as well")
    admin_key: SecretStr = Field(SecretStr(""), description="a key of scope admin; it makes the first keys")
    rate_limit: Annotated[int, Field(ge=0)] = Field(
        1_000, description="requests a second that each key has in each API process; 0 is no limit"
    )
    max_batch_bytes: Annotated[int, Field(ge=32 * 1024, le=MAX_BATCH_BYTES)] = Field(
        MAX_BATCH_BYTES, description="how large a batch of tracking calls may be, decompressed; Segment's own is 512000"
    )
    placeholder_ids: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_list)] = Field(
        DEFAULT_PLACEHOLDERS,
        description="texts that clients send where they have no id, with commas between them; in place of the default "
        "list, in any letter case. As userId, anonymousId, previousId, groupId or messageId they count as none",
    )
    rate_limit_events: Annotated[int, Field(ge=0)] = Field(
        10_000, description="events a second that each key has in each API process; 0 is no limit"
    )
    rate_limit_bytes: Annotated[int, Field(ge=0)] = Field(
        16 * 1024 * 1024,
        description="bytes of tracking calls, decompressed, a second that each key has in each API process; "
        "0 is no limit",
    )
    max_connections: Annotated[int, Field(ge=1)] = Field(2_000, description="connections of clients to an API process")
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_split_list)] = Field(
        (),
        description="networks of the proxies in front of the API, as 10.0.0.0/8,fd00::/8: their X-Forwarded-For or "
        "Forwarded tells which client a request comes from. By default none is believed",
    )
    api_host: str = "127.0.0.1"
    api_port: Port = 8080
    public_url: Annotated[str, AfterValidator(_public_url)] = Field(
        "http://localhost:8080", description="how recipients reach the API, for unsubscribe links"
    )
    health_address: Annotated[str, AfterValidator(_listening_address)] | None = Field(
        None, description="where a worker says whether it lives and works, as 127.0.0.1:9465; nowhere by default"
    )
    link_secret: SecretStr = Field(
        examples=[secrets.MAKE_SECRET],
        description="signs unsubscribe links: the newest secret, then older ones, one a line or separated by commas. "
        "All are verified; one that is removed breaks the links that it has signed",
    )
    webhook_signing_secret: SecretStr = Field(
        examples=[secrets.MAKE_SIGNING_SECRET],
        description="Standard Webhooks secrets, whsec_ and base64, the newest first. Each signs, until it is removed",
    )
    webhook_allow_private_addresses: bool = Field(False, description="let webhooks reach loopback and private networks")
    providers: Annotated[dict[str, dict[str, Any]], NoDecode, BeforeValidator(_read_object)] = Field(
        {},
        description="the provider of a channel, where it is another than by default, and its settings",
        examples=['{"email": {"kind": "console"}}'],
    )

    @field_validator("write_key", "admin_key")
    @classmethod
    def _strong_key(cls, key: SecretStr, info: ValidationInfo) -> SecretStr:
        # An empty one opens nothing.
        if secret := key.get_secret_value():
            _refuse(secrets.find_secret_fault(secret))
            _refuse(secrets.find_repeated([secret], _others(info)))
        return key

    @field_validator("link_secret")
    @classmethod
    def _strong_link_secrets(cls, listed: SecretStr, info: ValidationInfo) -> SecretStr:
        found = secrets.read_list(listed.get_secret_value()) or [""]
        for secret in found:
            _refuse(secrets.find_secret_fault(secret))
        _refuse(secrets.find_repeated(found, _others(info)))
        return listed

    @field_validator("webhook_signing_secret")
    @classmethod
    def _strong_signing_secrets(cls, listed: SecretStr, info: ValidationInfo) -> SecretStr:
        found = secrets.read_list(listed.get_secret_value()) or [""]
        for secret in found:
            _refuse(secrets.find_signing_fault(secret))
        _refuse(secrets.find_repeated(found, _others(info)))
        return listed

    @property
    def link_secrets(self) -> list[str]:
        """The newest first, which signs."""
        return secrets.read_list(self.link_secret.get_secret_value())

    @property
    def webhook_signing_secrets(self) -> list[str]:
        """The newest first."""
        return secrets.read_list(self.webhook_signing_secret.get_secret_value())


def find_setting_faults(error: ValidationError) -> list[DeploymentFinding]:
    """What is wrong with the settings, each with its variable and what would be right; no value is among it."""
    return [_describe_fault(fault) for fault in error.errors(include_input=False, include_url=False)]


def _describe_fault(error: ErrorDetails) -> DeploymentFinding:
    name = str(error["loc"][0])
    cause = error.get("ctx", {}).get("error")
    variable, field = variable_of(name), {**CodecServerSettings.model_fields, **Settings.model_fields}[name]
    if isinstance(cause, _FaultError):
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
