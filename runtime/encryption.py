"""Payloads encrypted before they leave for Temporal, and decrypted when they come back: AES-256-GCM, with keys by id.

The newest key encrypts. All decrypt, and what was written without encryption is read as it is, so that encryption can
be turned on, and keys exchanged, while journeys run.
Source: https://docs.temporal.io/production-deployment/data-encryption.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

ENCODING: Final = b"binary/encrypted"
KEY_ID: Final = "encryption-key-id"
# As NIST SP 800-38D recommends it for random ones.
NONCE_BYTES: Final = 12


class DecryptionError(Exception):
    """A payload was encrypted with a key that is not there, or was changed on its way."""


class EncryptionCodec(PayloadCodec):
    """`keys` by their ids, the newest first, 32 bytes each; at least one."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = {id: AESGCM(key) for id, key in keys.items()}
        self._newest = next(iter(self._keys))

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Each payload as a whole, its metadata included; one that is encrypted stays as it is."""
        return [payload if is_encrypted(payload) else self._encrypt(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """The payloads as they were. Raises DecryptionError."""
        return [self._decrypt(payload) if is_encrypted(payload) else payload for payload in payloads]

    def _encrypt(self, payload: Payload) -> Payload:
        nonce, id = os.urandom(NONCE_BYTES), self._newest.encode()
        sealed = self._keys[self._newest].encrypt(nonce, payload.SerializeToString(), id)
        return Payload(metadata={"encoding": ENCODING, KEY_ID: id}, data=nonce + sealed)

    def _decrypt(self, payload: Payload) -> Payload:
        id = payload.metadata.get(KEY_ID, b"")
        key = self._keys.get(id.decode("ascii", "replace"))
        if key is None:
            named = id.decode("ascii", "backslashreplace")[:64]
            raise DecryptionError(f"a payload was encrypted with the key {named}: add it to SOJOURN_PAYLOAD_KEYS")
        try:
            opened = key.decrypt(payload.data[:NONCE_BYTES], payload.data[NONCE_BYTES:], id)
        except (InvalidTag, ValueError) as error:
            raise DecryptionError("a payload was changed after it was encrypted, or its key is another one") from error
        return Payload.FromString(opened)


def is_encrypted(payload: Payload) -> bool:
    """Whether a payload is one of this codec's."""
    return payload.metadata.get("encoding") == ENCODING
