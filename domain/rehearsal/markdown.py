"""Tables of Markdown."""

from collections.abc import Iterable, Sequence

TableRow = list[str | int]


def write_table(columns: Sequence[str], rows: Iterable[TableRow]) -> list[str]:
    """Return the lines of a table; numbers stand on the right."""
    written = list(rows)
    is_number = [bool(written) and isinstance(written[0][place], int) for place in range(len(columns))]
    return [
        _row(columns),
        _row(["---:" if right else "---" for right in is_number]),
        *(_row([f"{one:,}" if isinstance(one, int) else _escape(one) for one in row]) for row in written),
        "",
    ]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
