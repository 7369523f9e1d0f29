"""sojourn contexts: named deployments, and the selected one."""

import os

import typer

from cli.config import config_file, read_config
from cli.options import AsJson
from cli.output import print_json, print_table
from cli.target import dev_server, find_deployment


def contexts(typer_context: typer.Context, as_json: AsJson = False) -> None:
    """Show the contexts of the config file, and the selected one, without keys."""
    given = typer_context.find_root().params
    config = read_config(config_file(os.environ))
    chosen = find_deployment(context=given.get("context"), url=given.get("url"))
    known = {name: (each.url, _way_to_key(each.key, each.key_command)) for name, each in config.contexts.items()}
    if dev := dev_server():
        known.setdefault(dev.name, (dev.api_url, "its own"))
    known.setdefault(chosen.name, (chosen.api_url, "of the environment"))
    rows = [
        {"name": name, "url": url, "key": key, "in_force": name == chosen.name} for name, (url, key) in known.items()
    ]
    if as_json:
        print_json({"contexts": rows})
        return
    columns = ["", "CONTEXT", "URL", "KEY"]
    print_table(
        columns, [["*" if row["in_force"] else "", str(row["name"]), str(row["url"]), str(row["key"])] for row in rows]
    )


def _way_to_key(key: str | None, command: str | None) -> str:
    if key:
        return "in the file"
    return "by command" if command else "missing"
