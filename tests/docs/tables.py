"""The tables of a page."""

import re


def rows(page: str, heading: str) -> list[tuple[str, ...]]:
    """Return the rows of the first table below a heading, without its head."""
    table = re.findall(r"(?:^\|.*\n)+", page.partition(f"\n{heading}\n")[2], re.MULTILINE)[0]
    cells = (re.split(r"(?<!\\) \| ", line.strip("| \n")) for line in table.splitlines()[2:])
    return [tuple(cell.replace(r"\|", "|") for cell in row) for row in cells]
