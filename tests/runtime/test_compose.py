"""docker-compose.yml says what the code expects. (Docker itself is no part of the tests.)"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client

from cli import serve
from cli.unknown_variables import find_unknown_variables
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
        assert find_unknown_variables(dict.fromkeys(given, "")) == []
        assert {name for name, is_required in known.items() if is_required} <= given


# What only the services of the file themselves decide: where they are, and how they reach each other.
OF_THE_FILE = {"api_host", "api_port", "task_queue", *(name for name in Settings.model_fields if "temporal" in name)}


def test_every_setting_is_passed_on_but_those_of_the_file_itself(services: dict[str, Any]) -> None:
    """One in .env that no process gets would have no effect, and `sojourn check` could not say so."""
    given = services["api"]["environment"]
    missing = {name for name in Settings.model_fields if f"SOJOURN_{name.upper()}" not in given}
    # Secrets of webhooks have names of the operator's choice: here they stand in files.
    assert missing - OF_THE_FILE == {"webhook_secrets"}
    assert "SOJOURN_SECRETS_FOLDER" in given


def test_an_id_names_the_image_and_the_build_and_it_is_promoted(services: dict[str, Any]) -> None:
    assert services["worker"]["image"].startswith("sojourn:${SOJOURN_BUILD_ID:?")
    assert services["worker"]["environment"]["SOJOURN_BUILD_ID"] == "${SOJOURN_BUILD_ID}"
    assert services["promote"]["command"] == ["sojourn", "promote"]
    assert services["promote"]["depends_on"].keys() == {"worker"}


def test_mails_that_come_back_are_taken_on_the_port_of_the_documents(services: dict[str, Any]) -> None:
    lmtp = services["lmtp"]
    assert lmtp["command"] == ["sojourn", "lmtp", "--host", "0.0.0.0"]  # noqa: S104 -- in a container
    port = signature(serve.lmtp).parameters["port"].default
    assert lmtp["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert f"{port}" in lmtp["healthcheck"]["test"][-1]
    assert f"lmtp:inet:127.0.0.1:{port}" in (ROOT / "docs" / "replies.md").read_text()
    assert lmtp["environment"] == services["api"]["environment"]


def test_no_secret_has_a_default(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if value is not None and any(word in name for word in ("PASSWORD", "PWD", "KEY", "SECRET")):
                assert value.startswith("${")
                assert ":-" not in value.replace(":-}", "}")


SECRETS = ("WRITE_KEY", "ADMIN_KEY", "LINK_SECRET", "WEBHOOK_SIGNING_SECRET", "SMTP_PASSWORD")
SECRET_VARIABLES = tuple(f"SOJOURN_{name}" for name in SECRETS if not name.startswith("SMTP"))


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


COMPOSE = (ROOT / "docker-compose.yml").read_text()
REFERENCE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def interpolate(text: str, variables: dict[str, str]) -> str:
    """The text as Compose reads it. Raises KeyError for a variable that is required and empty."""

    def value_of(reference: re.Match[str]) -> str:
        name, kind, otherwise = reference.groups()
        if variables.get(name):
            return variables[name]
        if kind == "?":
            raise KeyError(name)
        return otherwise or ""

    return REFERENCE.sub(value_of, text)


def variables_in(text: str) -> dict[str, str]:
    """The variables of an .env file."""
    return dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))


def settings_of(variables: dict[str, str], service: str) -> Settings:
    """The settings that a service would have."""
    environment = yaml.safe_load(interpolate(COMPOSE, variables))["services"][service]["environment"]
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith(("SOJOURN_", "TEMPORAL_"))]:
            patched.delenv(name)
        for name, value in environment.items():
            # Without a value it is that of Compose itself, if there is one.
            given = variables.get(name) if value is None else str(value)
            if given is not None:
                patched.setenv(name, given)
        return Settings()


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The variables that `make env` writes."""
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy/env.sh", tmp_path / "deploy")
    shutil.copy(ROOT / ".env.example", tmp_path)
    subprocess.run(["/bin/sh", tmp_path / "deploy/env.sh"], check=True, timeout=60, stdout=subprocess.DEVNULL)
    return variables_in((tmp_path / ".env").read_text())


def test_the_example_of_the_variables_has_each_with_a_comment(services: dict[str, Any]) -> None:
    text = (ROOT / ".env.example").read_text()
    shown = re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE)
    taken = {reference[1] for reference in REFERENCE.finditer(COMPOSE)}
    passed_on = {name for name, value in services["api"]["environment"].items() if value is None}
    assert sorted(shown) == sorted(taken | passed_on | {"COMPOSE_PROFILES"})
    for paragraph in re.split(r"\n\n|(?<=[^#\n])\n(?=# )", text.strip()):
        assert paragraph.startswith("# "), paragraph


@pytest.mark.parametrize("service", ["migrate", "api", "worker", "promote"])
def test_what_make_env_writes_starts_without_editing(env: dict[str, str], service: str) -> None:
    settings = settings_of(env, service)
    assert (settings.smtp_host, settings.smtp_port, settings.smtp_security) == ("inbox", 1025, "none")
    assert settings.public_url == "http://localhost:8080"
    assert settings.build_id


def test_the_inbox_is_there_where_the_example_names_it_and_nowhere_else(
    env: dict[str, str], services: dict[str, Any]
) -> None:
    assert env["SOJOURN_SMTP_HOST"] in services
    assert services[env["SOJOURN_SMTP_HOST"]]["profiles"] == [env["COMPOSE_PROFILES"]]
    assert re.fullmatch(r"axllent/mailpit:v\d+\.\d+\.\d+", services["inbox"]["image"])
    assert services["inbox"]["ports"] == ["127.0.0.1:8025:8025"]
    assert ":-inbox" not in COMPOSE


def test_the_example_itself_starts_nothing(env: dict[str, str]) -> None:
    """Neither without the secrets, nor with weak ones."""
    example = variables_in((ROOT / ".env.example").read_text())
    with pytest.raises(KeyError):
        settings_of(example, "api")
    needed = {name: "x" for name, value in example.items() if not value and name not in SECRET_VARIABLES}
    for weak in ("", "guess"):
        with pytest.raises(ValidationError) as refused:
            settings_of({**example, **needed, **dict.fromkeys(SECRET_VARIABLES, weak)}, "api")
        assert {str(error["loc"][0]) for error in refused.value.errors()} >= {"link_secret", "webhook_signing_secret"}
