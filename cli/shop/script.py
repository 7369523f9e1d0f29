"""The hash of the script that the API serves, for the shop's tag."""

import httpx


async def fetch_integrity(api_url: str) -> str:
    """Return the hash of the script for pages. Raises httpx.HTTPError."""
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{api_url}/v1/scripts")
    integrity: str = answer.raise_for_status().json()["scripts"][0]["integrity"]
    return integrity
