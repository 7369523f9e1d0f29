"""Encryption of Temporal's payloads: AES-256-GCM, with keys by id.

The newest key encrypts. All keys decrypt, and unencrypted payloads are read as they are, so that encryption can be
turned on, and keys exchanged, while journeys run. Source:
https://docs.temporal.io/production-deployment/data-encryption.
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
# NIST SP 800-38D recommends it for random nonces.
NONCE_BYTES: Final = 12


class DecryptionError(Exception):
    """A payload's key is unknown, or the payload was changed."""


class EncryptionCodec(PayloadCodec):
    """Encrypts with the newest of `keys`, which are by id, 32 bytes each."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = {id: AESGCM(key) for id, key in keys.items()}
        self._newest = next(iter(self._keys))

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt each payload with its metadata; encrypted ones stay as they are."""
        return [payload if is_encrypted(payload) else self._encrypt(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt payloads. Raises DecryptionError."""
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
    """Return whether this codec encrypted a payload."""
    return payload.metadata.get("encoding") == ENCODING
