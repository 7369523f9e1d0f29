"""docker-compose.yml says what the code expects. (Docker itself is no part of the tests.)"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client

from runtime.embedded.temporal import EmbeddedTemporal
from runtime.temporal import SEARCH_ATTRIBUTES
from runtime.temporal_probe import VALUE_TYPES
from settings import Settings
from tests import generated
from tests.runtime.conftest import ROOT


@pytest.fixture
def services() -> dict[str, Any]:
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    found: dict[str, Any] = document["services"]
    return found


async def test_the_setup_of_temporal_registers_the_search_attributes(services: dict[str, Any]) -> None:
    [script] = services["temporal-setup"]["command"]
    server = await EmbeddedTemporal.start(None, ui=False, search_attributes={})
    setup = await asyncio.create_subprocess_exec(
        *services["temporal-setup"]["entrypoint"],
        script,
        env={"PATH": f"{Path(sys.prefix, 'bin')}:{os.defpath}", "TEMPORAL_ADDRESS": server.address},
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await setup.wait() == 0
    client = await Client.connect(server.address)
    known = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace="default"))
    wanted = {name: VALUE_TYPES[kind] for name, kind in SEARCH_ATTRIBUTES.items()}
    assert {name: known.custom_attributes.get(name) for name in wanted} == wanted
    await server.stop()


def test_every_setting_is_known_and_every_required_one_is_given(services: dict[str, Any]) -> None:
    known = {f"SOJOURN_{name.upper()}": field.is_required() for name, field in Settings.model_fields.items()}
    for part in ("migrate", "api", "worker", "promote"):
        given = {name for name in services[part]["environment"] if name.startswith("SOJOURN_")}
        files = {f"{name}_FILE" for name in known}
        assert given <= known.keys() | files
        assert {name for name, is_required in known.items() if is_required} <= given


def test_an_id_names_the_image_and_the_build_and_it_is_promoted(services: dict[str, Any]) -> None:
    assert services["worker"]["image"].startswith("sojourn:${SOJOURN_BUILD_ID:?")
    assert services["worker"]["environment"]["SOJOURN_BUILD_ID"] == "${SOJOURN_BUILD_ID}"
    assert services["promote"]["command"] == ["sojourn", "promote"]
    assert services["promote"]["depends_on"].keys() == {"worker"}


def test_no_secret_has_a_default(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if value is not None and any(word in name for word in ("PASSWORD", "PWD", "KEY", "SECRET")):
                assert value.startswith("${")
                assert ":-" not in value.replace(":-}", "}")


SECRETS = ("WRITE_KEY", "ADMIN_KEY", "LINK_SECRET", "WEBHOOK_SIGNING_SECRET", "SMTP_PASSWORD")


def test_the_health_of_a_worker_is_asked_where_it_is_told(services: dict[str, Any]) -> None:
    worker = services["worker"]
    [_, program, _, code] = worker["healthcheck"]["test"]
    assert program == "python"
    assert f"http://{worker['environment']['SOJOURN_HEALTH_ADDRESS']}/readyz" in code


def test_each_secret_may_stand_in_a_file(services: dict[str, Any], tmp_path: Path) -> None:
    """With the variables as Compose would hand them over: those of the secrets are empty, and the files are named."""
    for service in ("api", "worker", "promote", "migrate"):
        variables = services[service]["environment"]
        assert services[service]["volumes"] == ["${SOJOURN_SECRETS:-./secrets}:/run/secrets:ro"]
        for secret in SECRETS:
            assert variables[f"SOJOURN_{secret}_FILE"] == f"${{SOJOURN_{secret}_FILE:-}}"
    handed_over = {}
    for name in SECRETS:
        handed_over[f"SOJOURN_{name}"] = ""
        handed_over[f"SOJOURN_{name}_FILE"] = str(tmp_path / name)
        made = generated.signing_secret(name) if name.startswith("WEBHOOK") else generated.secret(name)
        (tmp_path / name).write_text(f"{made}\n")
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("SOJOURN_")]:
            patched.delenv(name)
        for name, value in handed_over.items():
            patched.setenv(name, value)
        settings = Settings.model_validate({"database_url": "postgresql://sojourn@localhost/none"})
    for name in SECRETS:
        assert getattr(settings, name.lower()).get_secret_value() == (tmp_path / name).read_text().strip()
