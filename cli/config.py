"""The config file: deployments by name, called contexts."""

import shlex
import stat
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from domain.errors import InvalidRequestError

OTHERS = stat.S_IRWXG | stat.S_IRWXO


class DeploymentContext(Struct, frozen=True, forbid_unknown_fields=True):
    """A deployment: its address, and its key or a command that prints it."""

    url: str
    key: str | None = None
    key_command: str | None = None

    def __repr__(self) -> str:
        return f"Context({self.url!r})"


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The content of the config file."""

    default_context: str | None = None
    contexts: dict[str, DeploymentContext] = {}


def config_file(environ: Mapping[str, str]) -> Path:
    """Return the path of the config file, whether it exists or not."""
    home = environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "sojourn" / "config.toml"


def read_config(file: Path) -> Config:
    """Read the config file; an empty one if it does not exist.

    Raises InvalidRequestError if it cannot be read, or holds a key that others can read.
    """
    try:
        config = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), Config)
        mode = file.stat().st_mode
    except FileNotFoundError:
        return Config()
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise InvalidRequestError(f"{file}: {error}") from error
    if mode & OTHERS and any(context.key for context in config.contexts.values()):
        raise InvalidRequestError(f"{file} holds a key and others can read it: chmod 600 {shlex.quote(str(file))}")
    return config


def key_of(name: str, context: DeploymentContext) -> str:
    """Return the key of a context. Raises InvalidRequestError if it has none."""
    if context.key:
        return context.key
    if not context.key_command:
        raise InvalidRequestError(f"context {name} has no key: give it `key`, or `key_command` that prints it")
    failed = f"key_command of context {name} failed"
    try:
        # The command is the user's own, like an alias; it may ask for a password.
        ended = subprocess.run(shlex.split(context.key_command), stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    except (OSError, ValueError) as error:
        raise InvalidRequestError(f"{failed}: {error}") from error
    if ended.returncode:
        raise InvalidRequestError(f"{failed} with status {ended.returncode}")
    if not (key := ended.stdout.strip()):
        raise InvalidRequestError(f"{failed}: it printed nothing")
    return key
