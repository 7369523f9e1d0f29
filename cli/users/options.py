"""The person that a command names."""

from enum import StrEnum
from typing import Annotated

import typer


class IdKindOption(StrEnum):
    """The kinds of ids."""

    USER = "user"
    ANONYMOUS = "anonymous"
    PROFILE = "profile"


PersonArgument = Annotated[
    str, typer.Argument(metavar="USER", help="A user id, else an anonymous id.", show_default=False)
]
KindOption = Annotated[IdKindOption | None, typer.Option("--kind", help="The kind of the id.", show_default=False)]
