"""python -m tests.sockets.launch ARGUMENT...: `sojourn` with the kinds of tests/sockets/registered.py."""

import tests.sockets.registered  # noqa: F401, I001 - before all that reads the registries

from cli.main import main
from runtime import documents

if __name__ == "__main__":
    documents.MODULE = "tests.sockets.document_process"
    main()
