"""sojourn script-tag: the script for web pages."""

import typer

from cli.client import connect
from cli.options import AsJson
from cli.output import print_json


def script_tag(context: typer.Context, as_json: AsJson = False) -> None:
    """Print the tag for web pages, with the hash of this release."""
    with connect(context) as api:
        found = api.get("scripts")
    if as_json:
        print_json(found)
        return
    typer.echo(found["tag"])
    sizes = " and ".join(f"{each['compressed_bytes'] / 1_000:.1f} kB" for each in found["scripts"])
    typer.echo(f"Sent as {sizes}. A strict Content-Security-Policy allows: {found['policy']}", err=True)
