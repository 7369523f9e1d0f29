"""Conversion of values for Temporal: compact JSON by msgspec, with tagged unions."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    DefaultPayloadConverter,
    EncodingPayloadConverter,
    JSONPlainPayloadConverter,
)

from runtime.encryption import EncryptionCodec


class MsgspecPayloadConverter(EncodingPayloadConverter):
    """Plain JSON, which the Temporal UI shows."""

    @property
    def encoding(self) -> str:
        return "json/plain"

    def to_payload(self, value: Any) -> Payload | None:
        return Payload(metadata={"encoding": b"json/plain"}, data=msgspec.json.encode(value))

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        return msgspec.json.decode(payload.data, type=Any if type_hint is None else type_hint)


class SojournPayloadConverter(CompositePayloadConverter):
    """The default converters, with the one for plain JSON replaced."""

    def __init__(self) -> None:
        others = [
            converter
            for converter in DefaultPayloadConverter.default_encoding_payload_converters
            if not isinstance(converter, JSONPlainPayloadConverter)
        ]
        super().__init__(*others, MsgspecPayloadConverter())


DATA_CONVERTER = DataConverter(payload_converter_class=SojournPayloadConverter)


def data_converter(payload_keys: Mapping[str, bytes]) -> DataConverter:
    """Return the deployment's converter, which encrypts if there are keys.

    The newest key comes first. Payloads and the texts of failures are encrypted.
    """
    if not payload_keys:
        return DATA_CONVERTER
    return replace(
        DATA_CONVERTER,
        payload_codec=EncryptionCodec(payload_keys),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
