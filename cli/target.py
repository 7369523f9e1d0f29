"""The deployment that commands call, and its key.

The first that names an address decides: `--context` or `--url`, SOJOURN_API_URL, SOJOURN_CONTEXT, `default_context` of
the config file, the `sojourn dev` that runs in this folder or above it, this machine. It has its own key: a key goes
only to the address that it is meant for.

A folder may come from a stranger. A `.sojourn/dev.json` is used only if it belongs to the same user, only for loopback,
and with the key in that file: no key of the environment ever goes to an address that a folder names.
"""

import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from cli.config import config_file, key_of, read_config
from cli.dev_folder import DATA_FOLDER, RUN
from domain.deployment.secrets import SecretFault, find_character_fault, is_loopback
from domain.errors import InvalidRequestError

API_URL = "SOJOURN_API_URL"
API_KEY = "SOJOURN_API_KEY"
# The deployment's own key, which its processes have: beside them no other is needed.
ADMIN_KEY = "SOJOURN_ADMIN_KEY"
CONTEXT = "SOJOURN_CONTEXT"

DEFAULT_URL = "http://localhost:8080"
DEV = "dev"
THIS_MACHINE = "this machine"
# `sojourn dev` writes some 200 bytes.
MAX_DEV_BYTES = 64 * 1024
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Target:
    """The address of an API, and its key."""

    api_url: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A named deployment: source, address, key; `asks` says that a command is run.

    `ingest_key` is a key of its own for calls that only the scope `ingest` opens.
    """

    name: str
    api_url: str
    key: Callable[[], str] = field(repr=False)
    asks: bool = False
    ingest_key: Callable[[], str] | None = field(default=None, repr=False)

    def target(self, *, ingests: bool = False) -> Target:
        """Return the target with its key, without surrounding blanks.

        A file of variables may have Windows line ends. Raises InvalidRequestError without a key, or for one that no
        header can hold.
        """
        read = self.ingest_key if ingests and self.ingest_key is not None else self.key
        key = read().strip()
        fault = find_character_fault(key, "copy it once more, as `sojourn keys create` has printed it")
        if fault is not None or not key:
            raise InvalidRequestError(f"the key for {self.api_url} {fault or 'is empty'}")
        return Target(self.api_url, key)


def find_target(
    *,
    context: str | None = None,
    url: str | None = None,
    environ: Mapping[str, str] = os.environ,
    folder: Path | None = None,
    ingests: bool = False,
) -> Target:
    """Find the first named address and its key; with `ingests`, one for that.

    Raises InvalidRequestError.
    """
    return find_deployment(context=context, url=url, environ=environ, folder=folder).target(ingests=ingests)


def find_deployment(
    *,
    context: str | None = None,
    url: str | None = None,
    environ: Mapping[str, str] = os.environ,
    folder: Path | None = None,
) -> Deployment:
    """Find the deployment without its key. Raises InvalidRequestError."""
    found = _find_named(context, url, environ, folder)
    try:
        is_here(found.api_url)
        has_login = "@" in urlsplit(found.api_url).netloc
    except ValueError as error:
        raise refuse_address(found.api_url) from error
    if has_login:
        # It would replace the key, and every message would show it.
        raise InvalidRequestError(f"the address by {found.name} holds a user or password: leave out all before the `@`")
    return found


def _find_named(context: str | None, url: str | None, environ: Mapping[str, str], folder: Path | None) -> Deployment:
    if context:
        return _find_context(context, environ, folder)
    if url:
        return Deployment("--url", url, partial(_key_for_url, url, environ))
    if named := environ.get(API_URL):
        return Deployment(API_URL, named, partial(_environment_key, named, environ))
    if context := environ.get(CONTEXT) or read_config(config_file(environ)).default_context:
        return _find_context(context, environ, folder)
    return dev_server(folder) or Deployment(THIS_MACHINE, DEFAULT_URL, partial(_key_here, environ, folder))


def dev_server(folder: Path | None = None) -> Deployment | None:
    """Return the `sojourn dev` that runs here or above, with its keys, or None.

    Raises InvalidRequestError for a file that another user wrote or may write, or that names another machine.
    """
    data = find_dev_folder(folder)
    found = None if data is None else read_run(data / RUN)
    if found is None:
        return None
    return Deployment(DEV, found["api_url"], lambda: found["admin_key"], ingest_key=lambda: found["write_key"])


def find_dev_folder(folder: Path | None = None) -> Path | None:
    """Find the data folder of `sojourn dev`, here or above.

    One in which it runs goes before a nearer one. None if there is none.
    """
    found = list(_dev_folders((folder or Path.cwd()).absolute()))
    return next((each for each in found if (each / RUN).exists()), found[0] if found else None)


def _dev_folders(folder: Path) -> Iterator[Path]:
    """List data folders up to the home or the root, above only those of the same user."""
    for level in (folder, *folder.parents):
        found = level / DATA_FOLDER
        if found.is_dir() and (level == folder or found.stat().st_uid == os.geteuid()):
            yield found
        if level == Path.home():
            return


def read_run(path: Path) -> Mapping[str, str] | None:
    """Read the `dev.json` of a running `sojourn dev`. Raises as `dev_server` does."""
    try:
        with path.open(encoding="utf-8") as file:
            status = os.fstat(file.fileno())
            text = file.read(MAX_DEV_BYTES)
        found = {name: str(value) for name, value in json.loads(text).items()}
        url, _, _ = found["api_url"], found["admin_key"], found["write_key"]
        is_on_this_machine = is_here(url)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InvalidRequestError(f"{path} cannot be read: {error}; start `sojourn dev` anew") from error
    if status.st_uid != os.geteuid() or status.st_mode & OTHERS_WRITE:
        raise InvalidRequestError(f"{path} is not yours alone; remove it, and start `sojourn dev` anew")
    if not is_on_this_machine:
        raise InvalidRequestError(f"{path} names {url}, which is another machine: remove it, or use a context")
    return found


def refuse_address(url: str) -> InvalidRequestError:
    """Return the refusal of an invalid address."""
    return InvalidRequestError(f"{url} is not an address such as {DEFAULT_URL}")


def is_here(url: str) -> bool:
    """Return whether an address names this machine. Raises ValueError."""
    return is_loopback(urlsplit(url).hostname or "")


def _find_context(name: str, environ: Mapping[str, str], folder: Path | None) -> Deployment:
    file = config_file(environ)
    contexts = read_config(file).contexts
    if name in contexts:
        context = contexts[name]
        return Deployment(name, context.url, partial(key_of, name, context), asks=not context.key)
    if name != DEV:
        raise InvalidRequestError(f"there is no context {name} in {file}; there are {', '.join([*contexts, DEV])}")
    if (dev := dev_server(folder)) is None:
        raise InvalidRequestError("no `sojourn dev` runs in this folder or above it")
    return dev


def _key_for_url(url: str, environ: Mapping[str, str]) -> str:
    meant = environ.get(API_URL)
    if meant and meant.rstrip("/") != url.rstrip("/"):
        raise InvalidRequestError(f"the key of the environment is meant for {meant}: unset {API_URL}, or use a context")
    return _environment_key(url, environ)


def _key_here(environ: Mapping[str, str], folder: Path | None) -> str:
    """Return the key for this machine, where no `sojourn dev` was found."""
    stopped = find_dev_folder(folder)
    if stopped is not None and not (environ.get(API_KEY) or _admin_key(environ)):
        raise InvalidRequestError(
            f"the `sojourn dev` of {stopped.parent} does not run: start it there, or name a deployment by --context or "
            "--url"
        )
    return _environment_key(DEFAULT_URL, environ)


def _environment_key(url: str, environ: Mapping[str, str]) -> str:
    """Return the environment's key; the admin key only for this machine or its URL."""
    if key := environ.get(API_KEY):
        return key
    if not (key := _admin_key(environ)):
        raise InvalidRequestError(
            f"no key for {url}: set {API_KEY} to one that `sojourn keys create` has made, or {ADMIN_KEY} to the secret "
            "of that name with which the API was started; or use a context, or run `sojourn dev` here"
        )
    if not is_here(url) and not environ.get(API_URL):
        raise InvalidRequestError(f"{ADMIN_KEY} goes to this machine only: for {url} set {API_KEY}, or use a context")
    return key


def _admin_key(environ: Mapping[str, str]) -> str | None:
    """Return the deployment's admin key, which may be in a file as for its processes."""
    if not environ.get(f"{ADMIN_KEY}_FILE"):
        return environ.get(ADMIN_KEY)
    # The import takes as long as the rest of a command.
    from settings_sources import secret_in_file

    key = secret_in_file(ADMIN_KEY, environ)
    if isinstance(key, SecretFault):
        raise InvalidRequestError(f"{ADMIN_KEY} {key}")
    return key
