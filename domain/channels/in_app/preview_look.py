"""The look of previews: grey lines, and messages by the style sheet of pages."""

from pathlib import Path
from typing import Final

# `{within}` is what the page shows in a place of its own.
SKELETON: Final = """<div class="head"><i></i><i></i><i></i></div>
<div class="lines"><i class="big"></i><i></i><i></i><i class="short"></i></div>
{within}
<div class="lines"><i></i><i></i><i class="short"></i></div>"""

# Both draw messages by it: browser/src/views/frame.ts.
_MESSAGES: Final = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
# Messages stand where the page has room for all that they have, so that a picture of it shows all.
_PAGE: Final = """\
body { margin: 0; min-height: 560px; display: grid; background: var(--page); }
body.s { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
body > * { grid-area: 1 / 1; }
.page { padding: 24px clamp(16px, 6vw, 64px); }
.head { display: flex; gap: 16px; margin-block-end: 40px; }
.page i { display: block; height: 12px; border-radius: 6px; background: var(--bone); margin-block-end: 14px; }
.head i { width: 56px; }
.head i:first-child { width: 96px; margin-inline-end: auto; }
.page i.big { height: 28px; width: 60%; margin-block-end: 24px; }
.page i.short { width: 45%; }
.lines { margin-block: 24px; }
.stage { display: flex; justify-content: center; align-items: center; padding: 16px; z-index: 1; }
.stage.at-top { align-items: flex-start; }
.stage.at-bottom { align-items: flex-end; }
.stage.at-over { background: rgb(11 14 22 / 52%); }
.stage.at-corner { align-items: flex-end; justify-content: flex-end; padding: 20px; }
.column { display: grid; gap: 16px; max-width: 100%; }
.box.box { position: relative; inset: auto; margin: 0; animation: none; max-height: none; }
.banner { width: 100%; }
.card { max-width: 420px; }
img { min-height: 48px; background: var(--wash); }
.cover img { min-height: 140px; }
.anchor {
  display: inline-block; padding: 8px 14px; border: 2px dashed var(--accent); border-radius: 8px;
  background: var(--back); color: var(--quiet); font: 13px/1.4 ui-monospace, Menlo, Consolas, monospace;
  direction: ltr;
}
.anchor + .bubble.bubble { margin-block-start: 14px; }
.anchor + .bubble > .arrow { top: 0; inset-inline-start: 34px; }
.slot, .data { border: 2px dashed var(--line); border-radius: 8px; padding: 16px; background: var(--back); }
.slot .cover { margin-block-end: 12px; }
pre { margin: 0; white-space: pre-wrap; direction: ltr; font: 13px/1.5 ui-monospace, Menlo, Consolas, monospace; }
@media (max-width: 600px) {
  .stage, .stage.at-corner { padding: 8px; }
  .stage.at-over { align-items: flex-end; }
  .column { width: 100%; }
}
"""
STYLE: Final = _MESSAGES + _PAGE
