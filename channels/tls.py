"""Which certificates channels trust."""

import ssl
from functools import cache


@cache
def public_authorities() -> ssl.SSLContext:
    """Those of the machine's certificate authorities. Reading them takes time, so that all channels share them."""
    return ssl.create_default_context()
