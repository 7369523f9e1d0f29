"""Settings of Temporal: the server, the payloads that it stores, and its UI."""

from typing import Annotated

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from temporalio.service import TLSConfig

from domain.deployment import secrets
from domain.deployment.certificates import find_certificate_fault
from domain.deployment.secrets import SecretFault
from settings_sources import EnvironmentSettings
from settings_types import TemporalAddress, WebAddress, refuse


class PayloadSettings(EnvironmentSettings):
    """Keys that encrypt payloads.

    See [what is encrypted, and how keys are replaced](operations.md#encrypt-what-temporal-stores).
    """

    payload_keys: SecretStr | None = Field(
        None,
        examples=[secrets.MAKE_PAYLOAD_KEY],
        description="a list of `id:base64`, each of 32 bytes. The newest key stands first and encrypts, all of them "
        "decrypt. Workers need them, the API does not",
    )

    @field_validator("payload_keys")
    @classmethod
    def _strong_payload_keys(cls, listed: SecretStr | None) -> SecretStr | None:
        found = secrets.read_list(listed.get_secret_value()) if listed else []
        for key in found:
            refuse(secrets.find_payload_key_fault(key))
        refuse(secrets.find_repeated([key.partition(":")[0] for key in found], []))
        return listed if found else None

    @property
    def payload_keys_by_id(self) -> dict[str, bytes]:
        """The newest first, which encrypts; none where payloads are not encrypted."""
        return secrets.read_payload_keys(self.payload_keys.get_secret_value()) if self.payload_keys else {}


class UiSettings(EnvironmentSettings):
    """The page on which engineers look at journeys."""

    temporal_ui_url: WebAddress = Field(
        "http://localhost:8233", description="its address, to which links to journeys lead"
    )


class CodecServerSettings(PayloadSettings, UiSettings):
    """`sojourn codec-server`, which decrypts payloads for the Temporal UI.

    It needs the payload keys as well.
    """

    codec_key: SecretStr | None = Field(
        None,
        examples=[secrets.MAKE_SECRET],
        description="the key that callers must send; required where the codec server is reached from other machines",
    )

    @field_validator("codec_key")
    @classmethod
    def _strong_codec_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key:
            refuse(secrets.find_secret_fault(key.get_secret_value()))
        return key or None


class TemporalSettings(PayloadSettings):
    """The server that runs the journeys.

    Temporal's own variables and profiles [work as well](operations.md#reach-temporal); a variable of Sojourn has
    precedence.
    """

    temporal_address: TemporalAddress = Field("localhost:7233", description="the frontend of Temporal: `host:port`")
    temporal_namespace: str = Field("default", description="the namespace; each deployment needs one of its own")
    temporal_api_key: SecretStr | None = Field(
        None, description="the API key of Temporal Cloud, or of a proxy before the frontend; implies TLS"
    )
    temporal_grpc_meta: dict[str, str] = Field(
        {}, repr=False, description="metadata that is sent with each call: `TEMPORAL_GRPC_META_TENANT=shop`"
    )
    # With an API key, TLS is the default, as in Temporal's own tools.
    temporal_tls: Annotated[bool | TLSConfig | None, Field(validate_default=True, repr=False)] = Field(
        None,
        description="TLS, by default with an API key only. `TEMPORAL_TLS_SERVER_CA_CERT_PATH`, "
        "`TEMPORAL_TLS_SERVER_NAME`, `TEMPORAL_TLS_CLIENT_CERT_PATH` and `TEMPORAL_TLS_CLIENT_KEY_PATH`, or `…_DATA`, "
        "set its authority, name and client certificate",
    )
    task_queue: str = Field(
        "sojourn",
        # Temporal takes 1,000 characters, with the suffix of a channel and what makes a version of it.
        pattern="^[A-Za-z0-9_-]{1,200}$",
        description="the task queue of journeys and the gate, and the name of the worker deployment; the sends of a "
        "channel have the queue `sojourn-email`",
    )
    build_id: str | None = Field(
        None,
        pattern="^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$",
        description="the build of the workers. Workers with one take no task before `sojourn promote`",
    )

    @field_validator("temporal_api_key")
    @classmethod
    def _sendable(cls, key: SecretStr | None) -> SecretStr | None:
        if key:
            refuse(secrets.find_character_fault(key.get_secret_value(), "copy it once more"))
        return key

    @field_validator("temporal_tls")
    @classmethod
    def _check_encryption(cls, tls: bool | TLSConfig | None, info: ValidationInfo) -> bool | TLSConfig:
        key, host = info.data.get("temporal_api_key"), info.data.get("temporal_address", "").rpartition(":")[0]
        if tls is None:
            return bool(key)
        if tls is False and key and not secrets.is_loopback(host):
            refuse(SecretFault("is off, and Temporal's API key would be sent in the clear", "unset TEMPORAL_TLS"))
        if isinstance(tls, TLSConfig):
            refuse(find_certificate_fault(tls.server_root_ca_cert, tls.client_cert, tls.client_private_key))
        return tls
