"""Secrets of the tests, as strong as a deployment's must be: new in each run, the same in all of its processes."""

import base64
import hashlib
import hmac
import os
import secrets

SEED = os.environ.setdefault("TESTS_SEED", secrets.token_hex(32))


def secret(name: str) -> str:
    """64 characters that are a secret's own."""
    return hmac.new(SEED.encode(), name.encode(), hashlib.sha256).hexdigest()


def signing_secret(name: str) -> str:
    """A secret of Standard Webhooks."""
    return f"whsec_{base64.b64encode(bytes.fromhex(secret(name))).decode()}"


def payload_key(name: str) -> str:
    """A key for payloads, with its name as its id."""
    return f"{name}:{base64.b64encode(bytes.fromhex(secret(name))).decode()}"


WRITE_KEY = secret("write key")
ADMIN_KEY = secret("admin key")
LINK_SECRET = secret("links")
SIGNING_SECRET = signing_secret("webhooks")
