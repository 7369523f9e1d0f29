"""Documents on disk: campaigns with their templates, and frequency caps."""

import re
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import typer

from domain.deployment_documents import DEPLOYMENT_DOCUMENTS
from domain.document.yaml_source import read
from domain.errors import InvalidDocumentError, InvalidRequestError
from domain.sending.attachment import write_pointer

# A key's possible form; the API decides.
_KEY = re.compile(r"[\w-]+")
DOCUMENT_ENDINGS = frozenset({".yaml", ".yml"})
TEMPLATE_ENDINGS: Final = frozenset({".liquid", ".mjml"})
TEMPLATES: Final = "templates"
# Beside the templates, the folders of what they share.
SHARED_FOLDERS: Final = ("blocks", "layouts")
ATTACHMENTS: Final = "attachments"


def read_text(file: Path) -> str:
    """Read a document. Raises InvalidRequestError if it is unreadable or not UTF-8."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"{file} is not UTF-8; save it as UTF-8") from error
    except OSError as error:
        raise InvalidRequestError(f"{file} cannot be read: {error.strerror}") from error


def read_bytes(file: Path) -> bytes:
    """Read a file as it is. Raises InvalidRequestError if it is unreadable."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"{file} cannot be read: {error.strerror}") from error


def is_scenario_file(file: Path) -> bool:
    """Whether a file has scenarios, which are tested and never applied."""
    return file.stem.endswith(".test")


def document_files(given: Sequence[Path]) -> list[Path]:
    """Return the files, and the .yaml files directly in each folder, each once."""
    found: list[Path] = []
    for path in given:
        if path.suffix in TEMPLATE_ENDINGS:
            raise InvalidRequestError(f"{path} is a template: name the .yaml file of a campaign that sends it")
        if not path.is_dir():
            found.append(path)
            continue
        files = sorted(
            file
            for file in path.iterdir()
            if file.suffix in DOCUMENT_ENDINGS and not file.name.startswith(".") and not is_scenario_file(file)
        )
        if not files:
            raise InvalidRequestError(f"{path} holds no .yaml file")
        found += files
    return list(dict.fromkeys(found))


def campaign_document(file: Path) -> tuple[str, dict[str, Any]]:
    """Read a campaign's key and document, with the templates beside it.

    Raises InvalidRequestError if it cannot be read, InvalidDocumentError if it has no key.
    """
    if is_scenario_file(file):
        raise InvalidRequestError(f"{file} has scenarios, which are not applied: run them by `sojourn test {file}`")
    source, templates = read_text(file), templates_beside(file)
    return _key_in(file, source, templates), {"file": str(file), "source": source, "templates": templates}


def key_of(file_or_key: str) -> str:
    """Return the key, or the key in the file. A key has no dot, unlike a file's name.

    Raises InvalidRequestError for anything else, such as a folder.
    """
    file = Path(file_or_key)
    if file.suffix in DOCUMENT_ENDINGS:
        return _key_in(file, read_text(file), templates_beside(file))
    if _KEY.fullmatch(file_or_key):
        return file_or_key
    what = "a folder" if file.is_dir() else "neither a campaign's key nor its .yaml file"
    raise InvalidRequestError(f"{file_or_key} is {what}: name a campaign by its key or by its .yaml file")


def _key_in(file: Path, source: str, templates: dict[str, str]) -> str:
    try:
        document = read(source, str(file)).data
    except InvalidDocumentError:
        document = None
    _require_kind(file, document, "campaign")
    key = document.get("key") if isinstance(document, dict) else None
    if isinstance(key, str) and _KEY.fullmatch(key):
        return key
    # Without a key there is no address to send it to, so its problems are found here. The import takes half a second.
    from domain.campaign.publication import check

    return check(source, str(file), templates).definition.key


def read_document(file: Path, kind: str) -> dict[str, str]:
    """Read a document of a kind. Raises InvalidRequestError for another kind."""
    source = read_text(file)
    # The API names the problems of one that cannot be read.
    with suppress(InvalidDocumentError):
        _require_kind(file, read(source, str(file)).data, kind)
    return {"file": str(file), "source": source}


# Keys by which a document is known to be of the kind, without the imports of all models, which take half a second.
_TELLING = {"campaign": frozenset({"entry", "steps"}), "segment": frozenset({"where"})}


def _require_kind(file: Path, document: Any, wanted: str) -> None:
    telling = _TELLING[wanted] if wanted in _TELLING else DEPLOYMENT_DOCUMENTS[wanted].model.named_fields().keys()
    if not isinstance(document, dict) or not telling.isdisjoint(document):
        return
    from domain.document_schemas import find_other_kind

    if (found := find_other_kind(document, wanted)) is not None:
        apply = f"{_command_of(found)} {file}"
        hint = f", and keep it outside the folder of the {wanted}s" if wanted in _TELLING else ""
        raise InvalidRequestError(f"{file} is {_name_of(found)}, not {_name_of(wanted)}. Apply it by `{apply}`{hint}")


def _name_of(kind: str) -> str:
    return f"a {kind}" if kind in _TELLING else f"the document of the {DEPLOYMENT_DOCUMENTS[kind].title}"


def _command_of(kind: str) -> str:
    groups = {"campaign": "", "segment": "segments "}
    return f"sojourn {groups[kind] if kind in groups else f'{DEPLOYMENT_DOCUMENTS[kind].command} '}apply"


def templates_beside(file: Path) -> dict[str, str]:
    """Read the templates of a campaign, as `read_templates`."""
    return read_templates(file.parent / TEMPLATES)


def read_templates(folder: Path) -> dict[str, str]:
    """Read templates and the files that they share, without hidden ones.

    An unreadable one counts as missing.
    """
    found = {}
    for each in sorted(path for within in ("", *SHARED_FOLDERS) for path in (folder / within).glob("[!.]*")):
        if each.suffix not in TEMPLATE_ENDINGS:
            continue
        try:
            found[each.relative_to(folder).as_posix()] = read_text(each)
        except InvalidRequestError as error:
            typer.echo(f"sojourn: left out: {error}", err=True)
    return found | {f"{ATTACHMENTS}/{each.name}": _as_template(each) for each in list_attachments(folder)}


def list_attachments(folder: Path) -> list[Path]:
    """Return the files that the templates of a folder may attach."""
    return sorted(each for each in (folder / ATTACHMENTS).glob("[!.]*") if each.is_file())


def _as_template(file: Path) -> str:
    """Return the text of a file that is rendered, else the line that stands for it."""
    if file.suffix in TEMPLATE_ENDINGS:
        return read_text(file)
    data = read_bytes(file)
    return write_pointer(sha256(data).hexdigest(), len(data))
