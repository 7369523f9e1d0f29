"""Sources of settings: variables, secret files, Temporal's own variables.

A source cannot refuse a value, only leave it out. For an unreadable value it passes on a fault, which is reported with
all others at once.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import SecretStr, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from temporalio.envconfig import ClientConfigProfile

from domain.deployment.secrets import SecretFault
from domain.sending.outbound_secrets import BoundSecret, find_outbound_fault
from domain.templates.secret_text import SECRET_NAME
from settings_types import FaultError

PREFIX: Final = "SOJOURN_"
# The settings that Temporal's own variables say as well, and those that only they do.
TEMPORAL_ONLY: Final = ("temporal_tls", "temporal_grpc_meta")
TEMPORAL: Final = ("temporal_address", "temporal_namespace", "temporal_api_key", *TEMPORAL_ONLY)
MAX_SECRET_BYTES: Final = 64 * 1024
# Secrets that webhooks carry: SOJOURN_SECRET_<NAME>, and where each may go, SOJOURN_SECRET_<NAME>_HOSTS.
OUTBOUND: Final = "webhook_secrets"
OUTBOUND_PREFIX: Final = f"{PREFIX}SECRET_"
OUTBOUND_FOLDER: Final = f"{PREFIX}SECRETS_FOLDER"
# Variables that ask for a profile file. Without one of them the default file, which may be another deployment's, is not
# read.
PROFILE_VARIABLES: Final = ("TEMPORAL_CONFIG_FILE", "TEMPORAL_PROFILE")


# A secret's name, where it stands, its value, and its hosts.
_Given = tuple[str, str, str | SecretFault, str | SecretFault]


class Variables(EnvSettingsSource):
    """The variables SOJOURN_…, without settings that only Temporal's variables have.

    As JSON in one variable, those could not be refused.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the variable of a setting; None if it is absent."""
        if field_name in (*TEMPORAL_ONLY, OUTBOUND):
            return None, field_name, False
        value, key, is_complex = super().get_field_value(field, field_name)
        if isinstance(value, str) and is_secret(field.annotation):
            # As in a file of a secret: a file of variables may end its lines as Windows does.
            value = value.rstrip("\r\n")
        # Compose passes an unset variable on as an empty one: for Temporal's own, that counts as unset.
        return (None if value == "" and field_name in TEMPORAL else value), key, is_complex


class SecretFiles(PydanticBaseSettingsSource):
    """Secrets from files, as Docker and Kubernetes mount them: SOJOURN_…_FILE."""

    def __init__(self, settings: type[BaseSettings], environ: Mapping[str, str] = os.environ) -> None:
        super().__init__(settings)
        self._environ = {name.upper(): value for name, value in environ.items() if value}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The content of the setting's file; None where none is named."""
        variable = f"{PREFIX}{field_name.upper()}"
        found = secret_in_file(variable, self._environ) if is_secret(field.annotation) else None
        return found, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The secrets that files hold."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class OutboundSecrets(PydanticBaseSettingsSource):
    """Secrets of webhooks: variables, files that variables name, or files of a folder.

    In the folder, `slack_path` holds a secret and `slack_path.hosts` its hosts.
    """

    def __init__(self, settings: type[BaseSettings], environ: Mapping[str, str] = os.environ) -> None:
        super().__init__(settings)
        self._environ = {name.upper(): value for name, value in environ.items() if value}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not used: the secrets are read as a whole."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The secrets by name, or the first thing that is wrong with one."""
        if OUTBOUND not in self.settings_cls.model_fields:
            return {}
        found: dict[str, BoundSecret] = {}
        for name, where, value, hosts in (*self._in_folder(), *self._in_environment()):
            if not SECRET_NAME.fullmatch(name) and not is_key_file(name):
                return _fault_of(where, "does not name a secret", "a name is a-z, then a-z, 0-9 and _")
            if name in found:
                return _fault_of(where, "is given twice", "keep one of variable and file")
            if (broken := next((each for each in (value, hosts) if isinstance(each, SecretFault)), None)) is not None:
                return _fault_of(where, broken.problem, broken.remedy)
            listed = tuple(host.strip().lower() for host in str(hosts).replace("\n", ",").split(",") if host.strip())
            found[name] = BoundSecret(str(value), listed, where)
            if not is_key_file(name) and (fault := find_outbound_fault(found[name])) is not None:
                return _fault_of(where, fault.problem, fault.remedy)
        return {OUTBOUND: found}

    def _in_environment(self) -> Iterator[_Given]:
        for variable in self._environ:
            if not variable.startswith(OUTBOUND_PREFIX) or variable.endswith("_HOSTS"):
                continue
            named = variable.removesuffix("_FILE")
            value = secret_in_file(named, self._environ) if named != variable else self._environ[variable]
            hosts = self._environ.get(f"{named}_HOSTS", "")
            yield named.removeprefix(OUTBOUND_PREFIX).lower(), variable, _without_line_end(value), hosts

    def _in_folder(self) -> Iterator[_Given]:
        if not (folder := self._environ.get(OUTBOUND_FOLDER)):
            return
        try:
            # Kubernetes keeps files of its own there, whose names begin with a dot.
            files = sorted(file for file in Path(folder).iterdir() if file.is_file() and file.name[0] != ".")
        except OSError as error:
            fault = SecretFault(f"cannot be read ({error.strerror})", "name a folder that the process can read")
            yield "folder", OUTBOUND_FOLDER, fault, ""
            return
        for file in files:
            if file.suffix != ".hosts":
                hosts = file.with_name(f"{file.name}.hosts")
                yield file.name, str(file), _read(file, OUTBOUND_FOLDER), _hosts_in(hosts)


class TemporalEnvironment(PydanticBaseSettingsSource):
    """Temporal's own variables and profile files, unless SOJOURN_TEMPORAL_… is set.

    Source: https://docs.temporal.io/develop/environment-configuration, read by the SDK itself.
    """

    def __init__(self, settings: type[BaseSettings], environ: Mapping[str, str] = os.environ) -> None:
        super().__init__(settings)
        # Compose passes on a variable that is not set as an empty one.
        self._environ = {name: value for name, value in environ.items() if value}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not used: the profile is read as a whole."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The fields of TemporalSettings that the profile has."""
        if "temporal_tls" not in self.settings_cls.model_fields:
            return {}
        try:
            profile = self._profile()
            tls = profile.tls.to_connect_tls_config() if profile.tls else None
        except OSError as error:
            problem = f"cannot be read from {error.filename}: {error.strerror}"
            return {"temporal_tls": SecretFault(problem, "mend TEMPORAL_TLS_…_PATH, or the path in the profile")}
        except (RuntimeError, ValueError) as error:
            # Its first line only: the others quote the file, which may hold a key.
            problem = f"cannot be read from Temporal's own settings: {str(error).partition(chr(10))[0]}"
            return {"temporal_tls": SecretFault(problem, "mend or unset the TEMPORAL_… variables and the profile file")}
        found = {
            "temporal_address": profile.address,
            "temporal_namespace": profile.namespace,
            "temporal_api_key": profile.api_key,
            "temporal_tls": tls,
            "temporal_grpc_meta": dict(profile.grpc_meta) or None,
        }
        return {name: value for name, value in found.items() if value is not None}

    def _profile(self) -> ClientConfigProfile:
        named = self._environ.get("TEMPORAL_CONFIG_FILE")
        if named and not (file := Path(named)).is_file():
            raise ValueError(f"TEMPORAL_CONFIG_FILE names {named}, {_explain_file(file)}")
        is_asked_for = any(name in self._environ for name in PROFILE_VARIABLES)
        has_address = "temporal_address" in self.current_state
        return ClientConfigProfile.load(
            # The default file of a user may be about another deployment: its key is not for the address given here.
            disable_file=has_address and not is_asked_for,
            override_env_vars=self._environ,
        )


def is_key_file(name: str) -> bool:
    """Return whether a file of the folder holds a key of several lines."""
    return name.endswith((".json", ".p8", ".pem"))


def outbound_variables(environ: Mapping[str, str]) -> set[str]:
    """Return the variables of webhook secrets, without hosts of absent ones."""
    values = {name for name in environ if name.startswith(OUTBOUND_PREFIX) and not name.endswith("_HOSTS")}
    return values | {f"{name.removesuffix('_FILE')}_HOSTS" for name in values}


def _fault_of(where: str, problem: str, remedy: str) -> dict[str, Any]:
    return {OUTBOUND: SecretFault(f"cannot be used: {where} {problem}", remedy)}


def _hosts_in(file: Path) -> str | SecretFault:
    return _read(file, OUTBOUND_FOLDER) if file.is_file() else ""


def _without_line_end(value: str | SecretFault | None) -> str | SecretFault:
    return value.rstrip("\r\n") if isinstance(value, str) else value or ""


def variable_of(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the variable of a setting; Temporal's own where none of ours is given."""
    if name == OUTBOUND:
        return f"{OUTBOUND_PREFIX}…"
    variable = f"{PREFIX}{name.upper()}"
    is_ours = environ.get(variable) or environ.get(f"{variable}_FILE")
    return name.upper() if name in TEMPORAL_ONLY or (name in TEMPORAL and not is_ours) else variable


def secret_in_file(variable: str, environ: Mapping[str, str]) -> str | SecretFault | None:
    """The content of the file that `variable`_FILE names; None where it names none."""
    if not (named := environ.get(f"{variable}_FILE")):
        return None
    if environ.get(variable):
        return SecretFault(f"is given, and so is {variable}_FILE", "unset one of them")
    return _read(Path(named), f"{variable}_FILE")


def _read(file: Path, variable: str) -> str | SecretFault:
    problem = f"cannot be read: {variable} names {file}"
    remedy = "name a file that holds the secret and nothing else"
    try:
        if not file.is_file():
            return SecretFault(f"{problem}, {_explain_file(file)}", remedy)
        with file.open("rb") as opened:
            content = opened.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        return SecretFault(f"{problem} ({error.strerror})", "let the process read it")
    if len(content) > MAX_SECRET_BYTES:
        return SecretFault(f"{problem}, which is larger than {MAX_SECRET_BYTES // 1024} kB", remedy)
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        return SecretFault(f"{problem}, which is not text in UTF-8", remedy)
    return text or SecretFault(f"{problem}, which is empty", remedy)


def _explain_file(path: Path) -> str:
    return "which is a folder" if path.is_dir() else "and there is no such file"


def is_secret(annotation: Any) -> bool:
    """Return whether a setting is a secret, which may stand in a file."""
    return annotation is SecretStr or any(is_secret(part) for part in get_args(annotation))


class EnvironmentSettings(BaseSettings):
    """Settings by the variables SOJOURN_…, by files of secrets, and by Temporal's own."""

    # A refusal must not show what was given: it may be a secret.
    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources; the first that has a value decides."""
        return (
            init_settings,
            SecretFiles(settings_cls),
            OutboundSecrets(settings_cls),
            Variables(settings_cls),
            TemporalEnvironment(settings_cls),
        )

    @field_validator("*", mode="before")
    @classmethod
    def _readable(cls, value: Any) -> Any:
        if isinstance(value, SecretFault):
            raise FaultError(value)
        return value
