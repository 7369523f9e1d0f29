"""The segment that a command names."""

from pathlib import Path
from typing import Annotated

import typer

SegmentArgument = Annotated[str, typer.Argument(metavar="SEGMENT", help="A segment's key.", show_default=False)]
SegmentFilesArgument = Annotated[
    list[Path],
    typer.Argument(exists=True, metavar="FILE", help="Files of segments, or folders of them.", show_default=False),
]
