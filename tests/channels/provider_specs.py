"""Documents that providers have published, against which requests are checked.

They are others' text and are not part of the project: the folder is named by SOJOURN_PROVIDER_SPECS.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

FOLDER = os.environ.get("SOJOURN_PROVIDER_SPECS")


@cache
def read(name: str) -> dict[str, Any]:
    """The document of a provider; a test without the documents is skipped."""
    if not FOLDER:
        pytest.skip("SOJOURN_PROVIDER_SPECS names no folder of published documents")
    found: dict[str, Any] = json.loads((Path(FOLDER) / f"{name}.json").read_text())
    return found


def list_faults(name: str, path: str, body: Any, media_type: str = "application/json") -> list[str]:
    """What is wrong with the body of a POST, by the document; nothing that it does not know is allowed."""
    document = read(name)
    schema = document["paths"][path]["post"]["requestBody"]["content"][media_type]["schema"]
    validator = jsonschema_rs.Draft202012Validator({**schema, "components": document.get("components", {})})
    faults = [f"{'.'.join(map(str, error.instance_path))}: {error.message}" for error in validator.iter_errors(body)]
    known = _properties(schema, document)
    return faults + [f"{key}: not in the document" for key in body if known and key not in known]


def _properties(schema: dict[str, Any], document: dict[str, Any]) -> set[str]:
    while "$ref" in schema:
        found: Any = document
        for key in schema["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        schema = found
    return set(schema.get("properties", {}))


def list_discovery_faults(name: str, schema: str, body: Any) -> list[str]:
    """What is wrong with a JSON body by a document of Google's discovery; nothing that it does not know is allowed."""
    schemas = {key: _closed(value) for key, value in read(name)["schemas"].items()}
    validator = jsonschema_rs.Draft202012Validator({"$ref": f"#/$defs/{schema}", "$defs": schemas})
    return [f"{'.'.join(map(str, error.instance_path))}: {error.message}" for error in validator.iter_errors(body)]


def _closed(schema: Any) -> Any:
    """A schema of the discovery, whose references are names and whose properties are all there are."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("$ref"), str):
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    kept = {key: _closed(value) for key, value in schema.items() if key in ("type", "enum", "items")}
    if isinstance(schema.get("properties"), dict):
        properties = {key: _closed(value) for key, value in schema["properties"].items()}
        kept |= {"properties": properties, "additionalProperties": False}
    return kept


def list_schema_faults(name: str, schema: str, body: Any) -> list[str]:
    """What is wrong with a JSON body by a schema of a document."""
    components = read(name).get("components", {})
    validator = jsonschema_rs.Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": components})
    return [f"{'.'.join(map(str, error.instance_path))}: {error.message}" for error in validator.iter_errors(body)]


def matches(schema: dict[str, Any], value: Any) -> bool:
    """Whether a value fits a schema."""
    return jsonschema_rs.Draft202012Validator(schema).is_valid(value)
