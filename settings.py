"""What a deployment says about itself: environment variables with the prefix SOJOURN_, read once at the edge."""

import base64
import binascii
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from domain.local_time.zones import find_zone
from domain.tracking.decode import MAX_BATCH_BYTES
from domain.tracking.identifiers import DEFAULT_PLACEHOLDERS


def _postgresql(url: SecretStr) -> SecretStr:
    if not url.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("must be postgresql://user:password@host:port/name")
    return url


def _signing_secret(secret: SecretStr) -> SecretStr:
    try:
        base64.b64decode(secret.get_secret_value().removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ValueError('must be whsec_ and base64, as from: echo "whsec_$(openssl rand -base64 32)"') from error
    return secret


def _address(address: str) -> str:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError("must be host:port, as 127.0.0.1:9464, 0.0.0.0:9464 or [::]:9464")
    return address


def _zone(name: str) -> str:
    if find_zone(name) is None:
        raise ValueError("must be the IANA name of a time zone, as Europe/Berlin or UTC")
    return name


def _listed(texts: object) -> object:
    """A list as an environment variable holds it, with commas."""
    return texts.split(",") if isinstance(texts, str) else texts


class DatabaseSettings(BaseSettings):
    """What a migration needs."""

    model_config = SettingsConfigDict(env_prefix="SOJOURN_", extra="ignore")

    database_url: Annotated[SecretStr, AfterValidator(_postgresql)] = Field(
        description="PostgreSQL, as postgresql://user:password@host:port/name"
    )


class TemporalSettings(BaseSettings):
    """What the promotion of a build needs."""

    model_config = SettingsConfigDict(env_prefix="SOJOURN_", extra="ignore")

    temporal_address: str = Field("localhost:7233", description="Temporal frontend, host:port")
    temporal_namespace: str = "default"
    task_queue: str = Field(
        "sojourn",
        pattern="^[A-Za-z0-9_-]+$",
        description="journeys and the gate; a channel's sends use {task_queue}-{channel}; names the worker deployment",
    )
    build_id: str | None = Field(
        None,
        pattern="^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$",
        description="build of the workers; where it is given they take no task before `sojourn promote`",
    )


class WatchSettings(BaseSettings):
    """What a process needs to be watched. Traces go where OpenTelemetry's own variables say (OTEL_EXPORTER_OTLP_…)."""

    model_config = SettingsConfigDict(env_prefix="SOJOURN_", extra="ignore")

    metrics_address: Annotated[str, AfterValidator(_address)] | None = Field(
        None,
        description="where Prometheus reads this process, as 0.0.0.0:9464; each process of a machine needs its own. "
        "No key is asked for there; nowhere by default",
    )


class Settings(DatabaseSettings, TemporalSettings, WatchSettings):
    """The settings of one deployment. Every process of it (API, worker, command line) reads the same ones."""

    database_pool_size: Annotated[int, Field(ge=1, le=200)] = Field(10, description="connections a process")

    temporal_ui_url: str = Field("http://localhost:8233", description="where links to journeys lead")

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
    placeholder_ids: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = Field(
        DEFAULT_PLACEHOLDERS,
        description="texts that clients send where they have no id, with commas between them; in place of the default "
        "list, in any letter case. As userId, anonymousId, previousId, groupId or messageId they count as none",
    )
    api_host: str = "127.0.0.1"
    api_port: int = 8080
    public_url: str = Field("http://localhost:8080", description="how recipients reach the API, for unsubscribe links")
    link_secret: SecretStr = Field(description="signs unsubscribe links; changing it breaks the links already sent")

    smtp_host: str = "localhost"
    smtp_port: int = 587
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_security: Literal["none", "starttls", "tls"] = "starttls"

    webhook_signing_secret: Annotated[SecretStr, AfterValidator(_signing_secret)] = Field(
        description="Standard Webhooks secret, whsec_ and base64"
    )
    webhook_allow_private_addresses: bool = Field(False, description="let webhooks reach loopback and private networks")
