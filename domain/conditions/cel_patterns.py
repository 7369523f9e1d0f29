"""Regular expressions in conditions, compiled by RE2 once a process.

CEL-C++ compiles the pattern of each `matches` anew, 60 us for a short one and 1 ms for `\\d{1,100}`, and accepts
patterns from the data. Here a pattern is a literal of bounded size.
"""

from functools import lru_cache

import re2
from cel_expr_python import cel

# The name of `matches` in the evaluated tree: CEL's own cannot be replaced.
FUNCTION = "matches_compiled"
# `\pL{3}` has 3,600 instructions, an address of RFC 5322 about 400.
MAX_PROGRAM = 5_000
_MAX_MEMORY = 1 << 20


class PatternError(ValueError):
    """A pattern that RE2 refuses, or that is too large."""


@lru_cache(maxsize=1_024)
def compile_pattern(pattern: str) -> "re2._Regexp":
    """Compile a pattern. Raises PatternError."""
    options = re2.Options()
    options.max_mem = _MAX_MEMORY
    options.log_errors = False
    options.never_capture = True
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0]
        raise PatternError(said.decode(errors="replace") if isinstance(said, bytes) else str(said)) from error
    if compiled.programsize > MAX_PROGRAM:
        raise PatternError(f"its program has {compiled.programsize:,} instructions, and {MAX_PROGRAM:,} are allowed")
    return compiled


def matcher() -> cel.FunctionDecl:
    """Return the function that replaces `matches`."""
    kinds = [cel.Type.STRING, cel.Type.STRING]
    return cel.FunctionDecl(FUNCTION, [cel.Overload(FUNCTION, cel.Type.BOOL, kinds, True, _matches)])


def _matches(text: str, pattern: str) -> bool:
    return compile_pattern(pattern).search(text) is not None
