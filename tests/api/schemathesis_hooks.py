"""Loaded by schemathesis: how it writes the bodies that it does not know by itself."""

from typing import Any

import schemathesis
from schemathesis.transport import SerializationContext


@schemathesis.serializer("message/rfc822")
def write_mail(_: SerializationContext, value: Any) -> bytes:
    """A mail is sent as it is."""
    return value if isinstance(value, bytes) else str(value).encode()
