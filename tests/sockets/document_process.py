"""The warm process of checks, with the kinds of tests/sockets/registered.py."""

import tests.sockets.registered  # noqa: F401, I001 - before all that reads the registries

from runtime.document_process import main

if __name__ == "__main__":
    main()
