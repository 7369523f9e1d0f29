"""The certificate authorities that channels trust."""

import ssl
from functools import cache


@cache
def public_authorities() -> ssl.SSLContext:
    """Return the machine's certificate authorities, read once, since that is slow."""
    return ssl.create_default_context()
