"""The browser key of the shop, made on the first visit and kept between runs."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import httpx
from msgspec import Struct, convert, to_builtins

FILE = "shop.json"


class ShopKey(Struct, frozen=True):
    """A browser key, the secret of its user tokens, and the origins that it is for."""

    token: str
    token_secret: str
    origins: tuple[str, ...]


class ShopKeys:
    """Finds the key of the shop, which the API makes by the admin key."""

    def __init__(self, folder: Path, api_url: str, admin_key: str, origins: tuple[str, ...]) -> None:
        self._file = folder / FILE
        self._api_url = api_url
        self._admin_key = admin_key
        self._origins = origins
        self._key: ShopKey | None = None
        self._turn = asyncio.Lock()

    async def find(self) -> ShopKey:
        """Return the key. Raises httpx.HTTPError if the API makes none."""
        async with self._turn:
            if self._key is None:
                self._key = await self._find_kept() or await self._create()
            return self._key

    async def _find_kept(self) -> ShopKey | None:
        """Return the key of the last run, unless it is for another address or revoked."""
        try:
            kept = convert(json.loads(self._file.read_text()), ShopKey)
        except (OSError, ValueError):
            return None
        if kept.origins != self._origins:
            return None
        headers = {"X-Write-Key": kept.token, "Origin": self._origins[0]}
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(f"{self._api_url}/v1/client/settings", headers=headers)
        return kept if answer.is_success else None

    async def _create(self) -> ShopKey:
        body = {"name": "shop of this machine", "kind": "browser", "origins": self._origins, "source": "shop"}
        headers = {"Authorization": f"Bearer {self._admin_key}"}
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.post(f"{self._api_url}/v1/keys", json=body, headers=headers)
        made: dict[str, Any] = answer.raise_for_status().json()
        key = ShopKey(made["token"], made["token_secret"], self._origins)
        with os.fdopen(os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(to_builtins(key), file, indent=2)
        return key
