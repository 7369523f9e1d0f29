"""Names of hosts in the spelling of browsers, which is lower case and ASCII.

Source: the URL standard, 3.3 "IDNA".
"""

import idna


def spell_host(host: str) -> str | None:
    """Return a host as browsers spell it; None if a label has no such spelling.

    A label may be a pattern with `*`, as far as it is ASCII: letters beyond are encoded by whole labels.
    """
    labels: list[str] = []
    for label in host.split("."):
        if label.isascii():
            labels.append(label.lower())
        elif "*" in label:
            return None
        else:
            try:
                labels.append(idna.encode(label, uts46=True).decode())
            except idna.IDNAError:
                return None
    return ".".join(labels)
