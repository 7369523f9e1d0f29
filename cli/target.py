"""Which deployment the commands talk to, and with which key.

The first that names an address decides: `--profile` or `--url`, SOJOURN_API_URL, SOJOURN_PROFILE, `default_profile` of
the config file, the `sojourn dev` that runs in this folder, this machine. It brings its key along: a key goes only to
the address that it is meant for.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cli.config import config_file, key_of, read_config
from domain.errors import InvalidRequestError

API_URL = "SOJOURN_API_URL"
API_KEY = "SOJOURN_API_KEY"
# The deployment's own, which its processes are given: beside them nothing more is needed.
ADMIN_KEY = "SOJOURN_ADMIN_KEY"
PROFILE = "SOJOURN_PROFILE"

DEFAULT_URL = "http://localhost:8080"
DEV_FILE = Path(".sojourn") / "dev.json"
DEV = "dev"


@dataclass(frozen=True, slots=True)
class Target:
    """The address of an API and the key that opens it."""

    api_url: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One that was named: by what, where it is, how to come by its key, and whether that `asks` a command."""

    name: str
    api_url: str
    key: Callable[[], str] = field(repr=False)
    asks: bool = False


def find_target(
    *,
    profile: str | None = None,
    url: str | None = None,
    environ: Mapping[str, str] = os.environ,
    folder: Path | None = None,
) -> Target:
    """The address that is named first, and its key. Raises InvalidRequestError where there is none."""
    found = find_deployment(profile=profile, url=url, environ=environ, folder=folder)
    return Target(found.api_url, found.key())


def find_deployment(
    *,
    profile: str | None = None,
    url: str | None = None,
    environ: Mapping[str, str] = os.environ,
    folder: Path | None = None,
) -> Deployment:
    """The same without its key, which may take a command to find. Raises InvalidRequestError."""
    if profile:
        return _of_profile(profile, environ, folder)
    if url:
        return Deployment("--url", url, partial(_key_for_url, url, environ))
    if named := environ.get(API_URL):
        return Deployment(API_URL, named, partial(_environment_key, named, environ))
    if profile := environ.get(PROFILE) or read_config(config_file(environ)).default_profile:
        return _of_profile(profile, environ, folder)
    return dev_server(environ, folder) or Deployment(
        "this machine", DEFAULT_URL, partial(_environment_key, DEFAULT_URL, environ)
    )


def dev_server(environ: Mapping[str, str], folder: Path | None = None) -> Deployment | None:
    """The `sojourn dev` that runs in this folder. Its key gives way to one that the environment names."""
    path = (folder or Path.cwd()) / DEV_FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        url, key = str(found["api_url"]), str(found["admin_key"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InvalidRequestError(f"{path} cannot be read: {error}; start `sojourn dev` anew") from error
    return Deployment(DEV, url, lambda: _key_in(environ) or key)


def _of_profile(name: str, environ: Mapping[str, str], folder: Path | None) -> Deployment:
    file = config_file(environ)
    profiles = read_config(file).profiles
    if name in profiles:
        profile = profiles[name]
        return Deployment(name, profile.url, partial(key_of, name, profile), asks=not profile.key)
    if name != DEV:
        raise InvalidRequestError(f"there is no profile {name} in {file}; there are {', '.join([*profiles, DEV])}")
    if (dev := dev_server(environ, folder)) is None:
        raise InvalidRequestError("no `sojourn dev` runs in this folder")
    return dev


def _key_for_url(url: str, environ: Mapping[str, str]) -> str:
    meant = environ.get(API_URL)
    if meant and meant.rstrip("/") != url.rstrip("/"):
        raise InvalidRequestError(f"the key of the environment is meant for {meant}: unset {API_URL}, or use a profile")
    return _environment_key(url, environ)


def _environment_key(url: str, environ: Mapping[str, str]) -> str:
    if not (key := _key_in(environ)):
        raise InvalidRequestError(f"no key for {url}: set {API_KEY}, or use a profile, or run `sojourn dev` here")
    return key


def _key_in(environ: Mapping[str, str]) -> str | None:
    return environ.get(API_KEY) or environ.get(ADMIN_KEY)
