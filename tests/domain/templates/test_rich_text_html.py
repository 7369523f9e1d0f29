"""Rich text as HTML: escaped, and on standalone pages without what belongs to the author's."""

from typing import Any

from domain.templates.rich_text_html import draw_rich_text

NODES: list[dict[str, Any]] = [
    {"t": "p", "c": [{"t": "b", "c": [{"t": "text", "v": "<script>"}]}, {"t": "br"}, {"t": "i", "c": []}]},
    {"t": "ul", "c": [{"t": "li", "c": [{"t": "a", "href": "/a?b&c", "c": [{"t": "text", "v": "here"}]}]}]},
    {"t": "a", "href": "https://example.com/", "c": [{"t": "img", "src": "/x.png", "alt": 'a "b"'}]},
]
START = "<p><strong>&lt;script&gt;</strong><br><em></em></p><ul><li>"


def test_a_text_in_its_page() -> None:
    assert draw_rich_text(NODES, is_standalone=False) == (
        f'{START}<a href="/a?b&amp;c">here</a></li></ul><a href="https://example.com/">'
        '<img src="/x.png" alt="a &quot;b&quot;" referrerpolicy="no-referrer"></a>'
    )


def test_a_node_of_a_later_release_is_drawn_as_what_is_in_it() -> None:
    table = {"t": "table", "c": [{"t": "b", "c": [{"t": "text", "v": "1 < 2"}]}, {"t": "rule"}]}
    for is_standalone in (True, False):
        assert draw_rich_text([table], is_standalone=is_standalone) == "<strong>1 &lt; 2</strong>"


def test_a_standalone_text_loads_nothing_and_links_to_nothing_relative() -> None:
    assert draw_rich_text(NODES, is_standalone=True) == (
        f'{START}here</li></ul><a href="https://example.com/" rel="noopener noreferrer">a &quot;b&quot;</a>'
    )
