"""The settings that docs/console.md shows are taken as they stand there."""

import re
from pathlib import Path

import pytest

from domain.access import Role
from settings_console import ConsoleSettings

PAGE = (Path(__file__).parents[2] / "docs" / "console.md").read_text()


def test_the_settings_of_the_page_are_complete(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    [block] = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    secret = tmp_path / "oidc_client_secret"
    secret.write_text("secret-of-the-client\n")
    for line in block.splitlines():
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value.replace("/run/secrets/oidc_client_secret", str(secret)))
    settings = ConsoleSettings()
    assert settings.oidc_issuer == "https://accounts.example.com"
    assert settings.oidc_client_secret is not None
    assert settings.oidc_client_secret.get_secret_value() == "secret-of-the-client"
    assert settings.oidc_roles == {"journey-admins": Role.ADMIN, "campaign-managers": Role.OPERATOR}
    assert settings.oidc_groups_claim == "groups"
