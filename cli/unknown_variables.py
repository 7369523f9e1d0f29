"""SOJOURN_ variables that nothing reads, such as misspelt ones."""

import os
import re
from collections.abc import Mapping
from typing import Final

import structlog

from cli.target import API_KEY, API_URL, CONTEXT
from domain.deployment.findings import DeploymentFinding, DeploymentPart
from domain.suggestions import find_closest
from settings import Settings
from settings_sources import OUTBOUND, OUTBOUND_FOLDER, PREFIX, is_secret, outbound_variables
from settings_temporal import CodecServerSettings

log = structlog.get_logger()

# Read by the command line, and by docker-compose.yml.
_OTHERS: Final = (API_URL, API_KEY, CONTEXT, f"{PREFIX}SECRETS", OUTBOUND_FOLDER)
# Kubernetes gives each container the addresses of services: of one named `sojourn`, and of `sojourn-worker`.
_OF_KUBERNETES: Final = re.compile(r"\w+_(SERVICE_(HOST|PORT\w*)|PORT_\d+_(TCP|UDP)\w*)|SOJOURN_(\w+_)?PORT")


def find_unknown_variables(environ: Mapping[str, str]) -> list[DeploymentFinding]:
    """Return a finding for each SOJOURN_ variable that nothing reads, without values."""
    known = _known_variables() | outbound_variables(environ)
    unknown = [
        variable
        for variable in sorted(environ)
        if variable.startswith(PREFIX) and variable not in known and not _OF_KUBERNETES.fullmatch(variable)
    ]
    return [_describe(variable, find_closest(variable, known)) for variable in unknown]


def log_unknown_variables() -> None:
    """Log a warning for each variable of this process that nothing reads."""
    for finding in find_unknown_variables(os.environ):
        log.warning("variable ignored", problem=finding.problem, remedy=finding.remedy)


def _describe(variable: str, closest: str | None) -> DeploymentFinding:
    remedy = f"rename it to {closest}, or unset it" if closest else "unset it"
    return DeploymentFinding(
        DeploymentPart.SETTINGS, f"{variable} is not a known variable, and nothing reads it", remedy
    )


def _known_variables() -> set[str]:
    known = set(_OTHERS)
    for name, field in {**Settings.model_fields, **CodecServerSettings.model_fields}.items():
        if name == OUTBOUND:
            continue
        variable = f"{PREFIX}{name.upper()}"
        known.add(variable)
        if is_secret(field.annotation):
            known.add(f"{variable}_FILE")
    return known
