"""Settings of Temporal: ours, its own variables, and its profile file."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from settings import find_setting_faults
from settings_temporal import TemporalSettings
from tests import generated


class TestTemporal:
    """SOJOURN_TEMPORAL_… before Temporal's own variables, these before its profile file."""

    @pytest.fixture(autouse=True)
    def _environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in [name for name in os.environ if name.startswith(("SOJOURN_", "TEMPORAL_"))]:
            if name != "TEMPORAL_DEBUG":
                monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        folder = tmp_path / ".config" / "temporalio"
        folder.mkdir(parents=True)
        profile = '[profile.{0}]\naddress = "{0}.file:7233"\nnamespace = "{0}"\napi_key = "key-of-{0}"\n'
        (folder / "temporal.toml").write_text(profile.format("default") + profile.format("live"))

    def read(self) -> tuple[str, str, str | None, object]:
        settings = TemporalSettings()
        key = settings.temporal_api_key
        return (
            settings.temporal_address,
            settings.temporal_namespace,
            key.get_secret_value() if key else None,
            settings.temporal_tls,
        )

    def faults(self) -> list[str]:
        try:
            TemporalSettings()
        except ValidationError as error:
            return [str(finding) for finding in find_setting_faults(error)]
        return []

    def test_nothing_is_on_this_machine_in_the_clear(self, tmp_path: Path) -> None:
        (tmp_path / ".config" / "temporalio" / "temporal.toml").unlink()
        assert self.read() == ("localhost:7233", "default", None, False)

    def test_the_default_profile_is_read(self) -> None:
        assert self.read() == ("default.file:7233", "default", "key-of-default", True)

    def test_another_profile_is_chosen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TEMPORAL_PROFILE", "live")
        assert self.read() == ("live.file:7233", "live", "key-of-live", True)

    def test_variables_go_before_the_profile(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TEMPORAL_NAMESPACE", "mine")
        monkeypatch.setenv("TEMPORAL_API_KEY", "key-of-mine")
        assert self.read() == ("default.file:7233", "mine", "key-of-mine", True)

    def test_variables_of_sojourn_go_before_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TEMPORAL_ADDRESS", "temporals.own:7233")
        monkeypatch.setenv("TEMPORAL_NAMESPACE", "temporals-own")
        monkeypatch.setenv("TEMPORAL_API_KEY", "temporals-own")
        monkeypatch.setenv("SOJOURN_TEMPORAL_ADDRESS", "sojourns.own:7233")
        monkeypatch.setenv("SOJOURN_TEMPORAL_NAMESPACE", "sojourns-own")
        assert self.read() == ("sojourns.own:7233", "sojourns-own", "temporals-own", True)
        monkeypatch.setenv("SOJOURN_TEMPORAL_API_KEY", "sojourns-own")
        assert self.read() == ("sojourns.own:7233", "sojourns-own", "sojourns-own", True)

    def test_an_empty_variable_of_sojourn_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Compose passes on those that are not set as empty ones."""
        monkeypatch.setenv("TEMPORAL_API_KEY", "temporals-own")
        for name in ("ADDRESS", "NAMESPACE", "API_KEY"):
            monkeypatch.setenv(f"SOJOURN_TEMPORAL_{name}", "")
        assert self.read() == ("default.file:7233", "default", "temporals-own", True)

    @pytest.mark.parametrize("name", ["SOJOURN_TEMPORAL_ADDRESS", "TEMPORAL_ADDRESS"])
    def test_a_fault_names_the_variable_that_was_set(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(name, "nowhere")
        [fault] = self.faults()
        assert fault.startswith(f"{name} is not valid")

    def test_what_only_temporals_variables_say_no_variable_of_sojourn_says(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SOJOURN_TEMPORAL_GRPC_META", '{"a": "b"}')
        monkeypatch.setenv("SOJOURN_TEMPORAL_TLS", '{"domain": "x"}')
        assert self.read() == ("default.file:7233", "default", "key-of-default", True)
        assert TemporalSettings().temporal_grpc_meta == {}

    def test_the_key_of_a_users_profile_goes_to_no_other_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Unless the profile is asked for."""
        monkeypatch.setenv("SOJOURN_TEMPORAL_ADDRESS", "sojourns.own:7233")
        assert self.read() == ("sojourns.own:7233", "default", None, False)
        monkeypatch.setenv("TEMPORAL_PROFILE", "live")
        assert self.read() == ("sojourns.own:7233", "live", "key-of-live", True)

    @pytest.mark.parametrize(
        ("variables", "told"),
        [
            ({"TEMPORAL_PROFILE": "none"}, "Profile 'none' not found: mend or unset the TEMPORAL_… variables"),
            ({"TEMPORAL_CONFIG_FILE": "/nowhere"}, "TEMPORAL_CONFIG_FILE names /nowhere, and there is no such file"),
            ({"TEMPORAL_CONFIG_FILE": "/"}, "TEMPORAL_CONFIG_FILE names /, which is a folder"),
            ({"TEMPORAL_TLS_SERVER_CA_CERT_PATH": "/nowhere"}, "cannot be read from /nowhere"),
            ({"TEMPORAL_TLS_SERVER_CA_CERT_DATA": "nonsense"}, "has a server CA certificate that cannot be read"),
            ({"TEMPORAL_TLS_CLIENT_CERT_DATA": "nonsense"}, "has no key for the client"),
            ({"TEMPORAL_TLS": "false"}, "is off, and Temporal's API key would be sent in the clear"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(
        self, variables: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        [fault] = self.faults()
        assert fault.startswith("TEMPORAL_TLS ")
        assert told in fault

    def test_a_file_that_is_no_toml_is_not_quoted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "temporal.toml").write_text('[profile.default]\napi_key = "hidden\n')
        monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))
        [fault] = self.faults()
        assert "hidden" not in fault
        assert "line 2" in fault

    @pytest.mark.parametrize(
        ("keys", "told"),
        [
            ("2026:nonsense!", "SOJOURN_PAYLOAD_KEYS is not an id, a colon and base64"),
            ("2026:YWJj", "SOJOURN_PAYLOAD_KEYS does not hold 32 random bytes"),
            (f"2026:{'A' * 43}=", "SOJOURN_PAYLOAD_KEYS does not hold 32 random bytes"),
            (
                f"{generated.payload_key('1')},{generated.payload_key('1')}",
                "SOJOURN_PAYLOAD_KEYS names one secret twice",
            ),
        ],
        ids=["no base64", "short", "zeros", "twice"],
    )
    def test_weak_payload_keys_are_refused(self, keys: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOJOURN_PAYLOAD_KEYS", keys)
        [fault] = self.faults()
        assert fault.startswith(told)

    def test_payload_keys_are_by_id_and_the_first_is_the_newest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOJOURN_PAYLOAD_KEYS", f"{generated.payload_key('b')},{generated.payload_key('a')}")
        keys = TemporalSettings().payload_keys_by_id
        assert list(keys) == ["b", "a"]
        assert all(len(key) == 32 for key in keys.values())
