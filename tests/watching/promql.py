"""Which metrics an expression of Prometheus reads."""

import re

# What is no metric, though it looks like one: labels within braces and lists, texts, durations, functions, operators.
_TEXTS = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_BRACES = re.compile(r"\{[^}]*\}")
_RANGES = re.compile(r"\[[^\]]*\]")
_LABELS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_OFFSETS = re.compile(r"\boffset\s+-?\w+")
_NAMES = re.compile(r"(?<![\w:.])[a-zA-Z_:][\w:]*(?!\s*\()\b")
_WORDS = {"and", "or", "unless", "bool", "inf", "nan", "sum", "max", "min", "avg", "count", "group_left", "group_right"}


def metrics_of(expression: str) -> set[str]:
    """The names of the metrics."""
    for nothing in (_TEXTS, _BRACES, _RANGES, _LABELS, _OFFSETS):
        expression = nothing.sub(" ", expression)
    return {name for name in _NAMES.findall(expression) if name.lower() not in _WORDS}
