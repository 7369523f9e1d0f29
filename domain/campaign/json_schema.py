"""The JSON Schema of a document that people write, by which editors complete, explain and check it.

It says what single fields say. What only a whole document shows, such as an id used twice, publishing says.
"""

import re
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from domain.campaign.schema import DocumentModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(model: type[DocumentModel], name: str, title: str) -> dict[str, Any]:
    """The schema of a kind of document."""
    # Of what is written and not of what is read, for defaults to have the form that authors use.
    schema = model.model_json_schema(mode="serialization", schema_generator=_Generator)
    head = {"$schema": DIALECT, "$id": f"urn:sojourn:schema:{name}", "title": title}
    return {**head, **{key: _unfold(value) for key, value in schema.items() if key not in head}}


class _Generator(GenerateJsonSchema):
    """Leaves out what is Python's: None for what is not written, defaults that are objects, titles made of names."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if isinstance(schema.get("default"), BaseModel | None):
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def field_title_should_be_set(self, schema: CoreSchema) -> bool:
        return False


def _unfold(value: Any, key: str = "") -> Any:
    """Descriptions without the line breaks that docstrings have within a paragraph."""
    match value:
        case dict():
            return {key: _unfold(item, key) for key, item in value.items()}
        case list():
            return [_unfold(item) for item in value]
        case str() if key == "description":
            return re.sub(r"(?<!\n)\n(?!\n)", " ", value)
        case _:
            return value
