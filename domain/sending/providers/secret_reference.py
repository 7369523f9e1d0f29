"""Secrets by reference: the document names them, and never holds a value."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from domain.campaign.schema import DocumentModel, pattern_check, refuse

# The variables that a deployment leaves to its documents, so that an admin key reads no others.
SECRET_PREFIX: Final = "SOJOURN_SECRET_"  # noqa: S105 -- the beginning of names
_MAX_CHARACTERS: Final = 400
_VARIABLE: Final = rf"{SECRET_PREFIX}[A-Z][A-Z0-9_]*"
_NAME: Final = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_FILE: Final = rf"(/{_NAME})+"
_FORM: Final = f"Name it: `{{env: {SECRET_PREFIX}TOKEN}}`, or `{{file: /run/secrets/token}}`"


def _matches(pattern: str, said: str) -> BeforeValidator:
    def check(value: Any) -> str:
        # Not quoted: it may be the secret itself.
        if not isinstance(value, str) or len(value) > _MAX_CHARACTERS or not re.fullmatch(pattern, value):
            refuse(said, _FORM)
        return value

    return BeforeValidator(check)


class SecretReference(DocumentModel):
    """The place of a secret: a variable, or a file of the folder of secrets."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["env"]}, {"required": ["file"]}]})

    env: Annotated[
        str | None,
        _matches(_VARIABLE, f"this is not the name of a variable {SECRET_PREFIX}…"),
        pattern_check(_VARIABLE, f"{SECRET_PREFIX}POSTMARK"),
    ] = Field(None, description=f"a variable of the API and the workers: `{SECRET_PREFIX}POSTMARK`")
    file: Annotated[
        str | None,
        _matches(_FILE, "this is not the absolute path of a file"),
        pattern_check(_FILE, "/run/secrets/postmark"),
    ] = Field(None, description="a file of the folder SOJOURN_SECRETS_FOLDER: `/run/secrets/postmark`")

    @model_validator(mode="before")
    @classmethod
    def _names_one(cls, written: Any) -> Any:
        if isinstance(written, cls):
            return written
        if not isinstance(written, Mapping):
            # Not quoted: it is probably the secret itself.
            refuse("a secret is named here, and not written", _FORM)
        if len({"env", "file"} & written.keys()) != 1:
            refuse("a secret stands in one variable or in one file", _FORM)
        return written

    def __str__(self) -> str:
        return f"{self.env or self.file}"
