"""The look of previews: a page of grey lines, messages as `browser` draws them."""

from typing import Final

# `{within}` is what the page shows in a place of its own.
SKELETON: Final = """<div class="head"><i></i><i></i><i></i></div>
<div class="lines"><i class="big"></i><i></i><i></i><i class="short"></i></div>
{within}
<div class="lines"><i></i><i></i><i class="short"></i></div>"""

STYLE: Final = """\
* { box-sizing: border-box; }
body { margin: 0; min-height: 560px; display: grid; background: var(--page); }
body > * { grid-area: 1 / 1; }
.page { padding: 24px clamp(16px, 6vw, 64px); }
.head { display: flex; gap: 16px; margin-block-end: 40px; }
.page i { display: block; height: 12px; border-radius: 6px; background: var(--bone); margin-block-end: 14px; }
.head i { width: 56px; }
.head i:first-child { width: 96px; margin-inline-end: auto; }
.page i.big { height: 28px; width: 60%; margin-block-end: 24px; }
.page i.short { width: 45%; }
.lines { margin-block: 24px; }
.s {
  color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  overflow-wrap: anywhere;
}
.box {
  position: relative; background: var(--back); border: 1px solid var(--line); border-radius: var(--radius);
  box-shadow: 0 1px 2px rgb(9 12 20 / 8%), 0 12px 40px rgb(9 12 20 / 18%);
}
.main { padding: 20px; min-width: 0; }
.x ~ .main { padding-inline-end: 44px; }
h2, h3, p, ul { margin: 0; font: inherit; }
ul { padding-inline-start: 1.25em; }
.text > * + * { margin-block-start: .6em; }
.text a { color: var(--link); text-underline-offset: .15em; }
img { display: block; max-width: 100%; min-height: 48px; border-radius: 8px; background: var(--wash); }
.cover { overflow: hidden; border-start-start-radius: inherit; border-start-end-radius: inherit; }
.cover img { width: 100%; min-height: 140px; max-height: 240px; object-fit: cover; border-radius: 0; }
.title { font-weight: 650; font-size: 16px; line-height: 1.35; }
.title + .text { margin-block-start: 4px; color: var(--quiet); }
.acts { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin-block-start: 16px; }
button, textarea { font: inherit; color: inherit; }
.act {
  display: inline-flex; align-items: center; justify-content: center; min-height: 38px; padding: 7px 16px;
  border-radius: min(var(--radius), 10px); border: 1px solid transparent; font-weight: 600; font-size: 14px;
  text-decoration: none; background: none;
}
.act.primary { background: var(--accent); color: var(--on); }
.act.secondary { border-color: var(--line); }
.act.link { color: var(--link); padding-inline: 8px; text-decoration: underline; }
.x {
  position: absolute; inset-block-start: 8px; inset-inline-end: 8px; width: 32px; height: 32px; border: 0;
  border-radius: 50%; background: none; color: var(--quiet); font-size: 20px; line-height: 1;
}
.cover ~ .x { background: rgb(11 14 22 / 55%); color: #fff; }
.stage { display: flex; justify-content: center; align-items: center; padding: 16px; z-index: 1; }
.stage.top { align-items: flex-start; }
.stage.bottom { align-items: flex-end; }
.stage.over { background: rgb(11 14 22 / 52%); }
.stage.corner { align-items: flex-end; justify-content: flex-end; padding: 20px; }
.column { display: grid; gap: 16px; width: min(400px, 100%); }
.banner { width: 100%; max-width: 960px; display: flex; flex-wrap: wrap; align-items: center; }
.banner .main { flex: 1 1 18rem; padding: 14px 20px; }
.banner .acts { margin: 0; padding: 0 52px 0 20px; }
.modal { width: min(460px, 100%); }
.modal .main { padding: 28px; }
.modal .title { font-size: 21px; line-height: 1.25; }
.modal .acts { margin-block-start: 24px; }
.anchor {
  display: inline-block; padding: 8px 14px; border: 2px dashed var(--accent); border-radius: 8px;
  background: var(--back); color: var(--quiet); font: 13px/1.4 ui-monospace, Menlo, Consolas, monospace;
  direction: ltr;
}
.bubble { width: min(340px, 100%); }
.anchor + .bubble { margin-block-start: 14px; }
.anchor + .bubble::before {
  content: ""; position: absolute; inset-block-start: -7px; inset-inline-start: 28px; width: 12px; height: 12px;
  background: inherit; border: solid var(--line); border-width: 1px 0 0 1px; rotate: 45deg;
}
.bubble .main { padding: 16px 18px; }
.count { flex: 1; font-size: 13px; color: var(--quiet); }
.card { width: min(420px, 100%); box-shadow: 0 1px 2px rgb(9 12 20 / 6%); }
.survey { width: 100%; }
.survey .x ~ .main { padding-inline-end: 20px; }
.survey .over, .question { padding-inline-end: 24px; }
.survey .over { font-size: 13px; color: var(--quiet); margin-block-end: 4px; }
.survey .acts { justify-content: flex-end; }
.question { font-weight: 600; font-size: 16px; line-height: 1.4; }
.scale { display: grid; grid-auto-flow: column; grid-auto-columns: 1fr; gap: 4px; margin-block-start: 14px; }
.scale span {
  display: grid; place-items: center; min-height: 38px; border: 1px solid var(--line); border-radius: 8px;
  font-weight: 600; font-size: 14px;
}
.csat span, .stars span { border: 0; font-size: 28px; color: var(--quiet); }
.ends { display: flex; justify-content: space-between; gap: 16px; font-size: 13px; color: var(--quiet); }
.ends { margin-block-start: 8px; }
.options { display: grid; gap: 8px; margin-block-start: 14px; }
.option { display: flex; gap: 10px; padding: 9px 14px; border: 1px solid var(--line); border-radius: 10px; }
.blank { height: 84px; margin-block-start: 14px; border: 1px solid var(--quiet); border-radius: 10px; }
.slot, .data { border: 2px dashed var(--line); border-radius: 8px; padding: 16px; background: var(--back); }
.slot .cover { margin-block-end: 12px; }
pre { margin: 0; white-space: pre-wrap; direction: ltr; font: 13px/1.5 ui-monospace, Menlo, Consolas, monospace; }
@media (max-width: 500px) {
  .banner .acts { padding: 0 20px 16px; width: 100%; }
  .banner .act { flex: 1; }
  .stage.over { align-items: flex-end; padding: 8px; }
  .modal .main { padding: 24px 20px; }
  .modal .acts { flex-direction: column; align-items: stretch; }
  .nps { grid-template-columns: repeat(6, 1fr); grid-auto-flow: row; }
}
"""
