"""Insert a preheader: mail programs show the body's first text beside the subject."""

from html.parser import HTMLParser

_HIDDEN = '<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">{}</div>'

# Elements with content that may precede the body (HTML Standard, 13.2.6.4.4, the insertion mode "in head").
_HEAD_CONTAINERS = frozenset({"title", "style", "script", "noscript", "template"})
_HEAD_VOID = frozenset({"meta", "link", "base", "basefont", "bgsound"})
_AROUND_HEAD = frozenset({"html", "head"})


def insert_preheader(html: str, preheader: str) -> str:
    """Insert the preheader, which is HTML, first in the body, tag `<body>` or not.

    A `<body>` in a comment, which only Outlook reads, is ignored: `<!--[if mso]><body><![endif]-->`.
    """
    start = _body_start(html)
    return html[:start] + _HIDDEN.format(preheader) + html[start:]


def _body_start(html: str) -> int:
    finder = _BodyFinder(html)
    try:
        finder.feed(html)
        finder.close()
    except _Found as found:
        return found.offset
    return len(html)


class _Found(Exception):
    """Ends the parsing at the body, so that the rest is not read."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


class _BodyFinder(HTMLParser):
    """Raises _Found after `<body …>`, or before the first content of a body."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=False)
        self._line_starts = [0]
        for line in html.split("\n"):
            self._line_starts.append(self._line_starts[-1] + len(line) + 1)
        # The open containers of the head.
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body" and not self._within:
            raise _Found(self._offset() + len(self.get_starttag_text() or ""))
        if tag in _HEAD_CONTAINERS:
            self._within.append(tag)
            if tag == "title":
                # Its content is text, even if it looks like tags. For script and style the parser knows that.
                self.set_cdata_mode(tag)
        elif not self._within and tag not in _AROUND_HEAD and tag not in _HEAD_VOID:
            raise _Found(self._offset())

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # In HTML `<title/>` is a start tag: the slash has no meaning.
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._within:
            while self._within.pop() != tag:
                continue

    def handle_data(self, data: str) -> None:
        if not self._within and data.strip():
            raise _Found(self._offset() + len(data) - len(data.lstrip()))

    def handle_entityref(self, name: str) -> None:
        self._handle_reference()

    def handle_charref(self, name: str) -> None:
        self._handle_reference()

    def _handle_reference(self) -> None:
        if not self._within:
            raise _Found(self._offset())

    def _offset(self) -> int:
        line, column = self.getpos()
        return self._line_starts[line - 1] + column
