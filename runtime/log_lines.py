"""Log lines for a terminal: time, level unless info, event, data as `key=value`."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

EVENT_WIDTH: Final = 18
_DIM, _BOLD, _RESET = "\x1b[2m", "\x1b[1m", "\x1b[0m"
_COLOURS: Final = {"warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[1;31m"}


def format_line(event: Mapping[str, Any], *, has_colours: bool) -> str:
    """Write one log event. Nothing in it can move or colour the terminal."""

    def painted(text: str, colour: str) -> str:
        return f"{colour}{text}{_RESET}" if has_colours and colour else text

    told = dict(event)
    at = datetime.fromisoformat(told.pop("timestamp")).astimezone()
    level, text = told.pop("level"), _value(told.pop("event"), is_sentence=True)
    parts = [painted(f"{at:%H:%M:%S}", _DIM)]
    if level != "info":
        parts.append(painted(level, _COLOURS.get(level, "")))
    parts.append(painted(text.ljust(EVENT_WIDTH) if told else text, _BOLD))
    parts += [f"{painted(f'{key}=', _DIM)}{_value(value)}" for key, value in told.items() if value is not None]
    return " ".join(parts)


def _value(value: Any, *, is_sentence: bool = False) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    is_plain = text.isprintable() and (is_sentence or (text != "" and not set(text) & set(' "=')))
    return text if is_plain or not isinstance(value, str) else json.dumps(text, ensure_ascii=False)
