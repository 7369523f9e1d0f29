"""Paths of a person, whose id may hold slashes, beside those of their parts."""

from typing import Final

from starlette.convertors import PathConvertor, register_url_convertor

# Each follows the id in another route, so a path that ends with one is not a bare id. A new part needs its line.
PARTS: Final = (
    "timeline",
    "what-if",
    "segments/[^/]*",
    "suppressions/[^/]*",
    "merges",
    "merges/.*",
    "export",
    "devices/[^/]*",
)


class PersonPathConvertor(PathConvertor):
    """The rest of a path, unless it ends with a part of a person."""

    regex = f"(?!.*/(?:{'|'.join(PARTS)})$).*"


register_url_convertor("person", PersonPathConvertor())
WHOLE_PERSON: Final = "/{user_id:person}"
