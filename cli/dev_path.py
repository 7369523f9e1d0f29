"""The line by which other terminals find the `sojourn` that runs here."""

import shlex
import shutil
import sys
from pathlib import Path


def path_line() -> str:
    """Return `export PATH=…` if `sojourn` is not on the PATH, else nothing."""
    programs = Path(sys.executable).parent
    if not (programs / "sojourn").exists() or shutil.which("sojourn") is not None:
        return ""
    return f"export PATH={shlex.quote(str(programs))}:$PATH"
