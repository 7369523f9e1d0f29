"""The JSON Schema of a document, by which editors complete, explain and check it.

It describes single fields. Publishing checks the document as a whole, such as an id used twice.
"""

import re
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from domain.campaign.schema import DocumentModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(model: type[DocumentModel], name: str, title: str) -> dict[str, Any]:
    """Return the schema of a kind of document."""
    # The form of writing, not of reading, so that defaults look as authors write them.
    schema = model.model_json_schema(mode="serialization", schema_generator=_Generator)
    head = {"$schema": DIALECT, "$id": f"urn:sojourn:schema:{name}", "title": title}
    return {**head, **{key: _unfold(value) for key, value in schema.items() if key not in head}}


class _Generator(GenerateJsonSchema):
    """Omits Python's side: None for absent keys, defaults as objects, titles of names."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if isinstance(schema.get("default"), BaseModel | None):
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def field_title_should_be_set(self, schema: CoreSchema) -> bool:
        return False


def _unfold(value: Any, key: str = "") -> Any:
    """Join the lines of each paragraph in descriptions."""
    match value:
        case dict():
            return {key: _unfold(item, key) for key, item in value.items()}
        case list():
            return [_unfold(item) for item in value]
        case str() if key == "description":
            return re.sub(r"(?<!\n)\n(?!\n)", " ", value)
        case _:
            return value
