"""The person that a command names."""

from typing import Annotated

import typer

PersonArgument = Annotated[
    str, typer.Argument(metavar="USER", help="A user id, else an anonymous id.", show_default=False)
]
ChangedPersonArgument = Annotated[
    str, typer.Argument(metavar="USER", help="A user id; another id with its --kind.", show_default=False)
]
KindOption = Annotated[
    str | None,
    typer.Option(
        "--kind",
        help="The kind of the id: user, anonymous, profile, or the type of an external id.",
        show_default=False,
    ),
]
