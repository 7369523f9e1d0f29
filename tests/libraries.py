"""What libraries do anew for each test, and need do but once a process."""

import os
import sys
from functools import cache
from pathlib import Path

import certifi
import typer.main

AUTHORITY = str(Path(__file__).with_name("authority.pem"))


def do_once() -> None:
    """Have it done once: for what the tests ask of them it took a minute of processor time."""
    # httpx reads all authorities of the machine, or certifi's, for each client: 20 ms. No test leaves the machine.
    os.environ["SSL_CERT_FILE"] = AUTHORITY
    certifi.where = lambda: AUTHORITY
    # httpx looks through all folders of modules for this one at each request to an application in its own process.
    sys.modules["sniffio"] = None  # type: ignore[assignment]
    # Typer builds all commands for each that is run: 40 ms.
    typer.main.get_command = cache(typer.main.get_command)
