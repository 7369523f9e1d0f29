"""Settings that cannot be meant are refused with what would be right."""

import pytest
from pydantic import ValidationError

from settings import DatabaseSettings, Settings

RIGHT = {
    "database_url": "postgresql://sojourn:secret@localhost/sojourn",
    "write_key": "w",
    "admin_key": "a",
    "link_secret": "l",
    "webhook_signing_secret": "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cy0xMjM0NTY3OA==",
}


def test_what_is_right_is_taken_and_not_shown() -> None:
    settings = Settings.model_validate(RIGHT)
    assert "secret@" not in repr(settings)
    assert settings.database_url.get_secret_value() == RIGHT["database_url"]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("database_url", "mysql://x/y", "must be postgresql://user:password@host:port/name"),
        ("webhook_signing_secret", "whsec_y", 'must be whsec_ and base64, as from: echo "whsec_'),
        ("smtp_security", "ssl", "'none', 'starttls' or 'tls'"),
        ("metrics_address", "9464", "must be host:port, as 127.0.0.1:9464"),
        ("metrics_address", ":9464", "must be host:port, as 127.0.0.1:9464"),
    ],
)
def test_what_is_wrong_is_refused(name: str, value: str, told: str) -> None:
    with pytest.raises(ValidationError, match="1 validation error") as refused:
        Settings.model_validate({**RIGHT, name: value})
    assert told in refused.value.errors()[0]["msg"]


def test_a_migration_needs_the_database_only() -> None:
    assert DatabaseSettings.model_validate({"database_url": RIGHT["database_url"]})
