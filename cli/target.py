"""Which deployment the commands talk to."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from domain.errors import InvalidRequestError

API_URL = "SOJOURN_API_URL"
ADMIN_KEY = "SOJOURN_ADMIN_KEY"
DEFAULT_URL = "http://localhost:8080"
DEV_FILE = Path(".sojourn") / "dev.json"


@dataclass(frozen=True, slots=True)
class Target:
    """The address of an API and the key that opens it."""

    api_url: str
    admin_key: str = field(repr=False)


def find_target(environ: Mapping[str, str] = os.environ, folder: Path | None = None) -> Target:
    """The target that the environment names, else the one that `sojourn dev` runs in this folder.

    The key of the development server never goes to an address that the environment names. Raises InvalidRequestError
    where there is no key.
    """
    url, key = environ.get(API_URL), environ.get(ADMIN_KEY)
    dev = _dev_server((folder or Path.cwd()) / DEV_FILE) if url is None else {}
    url = url or dev.get("api_url") or DEFAULT_URL
    key = key or dev.get("admin_key")
    if not key:
        raise InvalidRequestError(
            f"no admin key for {url}: set {ADMIN_KEY}, or run this beside a running `sojourn dev`"
        )
    return Target(url, key)


def _dev_server(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InvalidRequestError(f"{path} cannot be read: {error}") from error
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
