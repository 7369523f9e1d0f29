"""The editor of the console, which stands in a shadow root."""

from typing import Final

EDITOR: Final = "document.querySelector('.editor')?.shadowRoot"
LAST_LINE: Final = f"{EDITOR}?.querySelector('.cm-line:last-child')"
