"""Files that mails attach, beside the templates on disk."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from cli.client import ApiClient, RefusedError
from cli.documents import TEMPLATE_ENDINGS, list_attachments, read_bytes
from domain.errors import NotFoundError


def store_attachments(api: ApiClient, folders: Iterable[Path]) -> None:
    """Store the files beside the templates of these folders that are sent as they are."""
    for folder in dict.fromkeys(folders):
        for file in list_attachments(folder):
            if file.suffix in TEMPLATE_ENDINGS:
                continue
            data = read_bytes(file)
            try:
                api.get("attachments", sha256(data).hexdigest())
            except RefusedError as error:
                if error.reason != NotFoundError.code:
                    raise
                api.deliver("attachments", content=data, content_type="application/octet-stream")
