"""The style of the inbox, and the script that keeps its list up to date."""

from typing import Final

STYLE: Final = """
:root {
  color-scheme: light dark;
  --text: light-dark(#1c1f24, #e4e6ea); --soft: light-dark(#626973, #99a1ac); --page: light-dark(#fff, #16181c);
  --line: light-dark(#e3e6ea, #2c3037); --raised: light-dark(#f6f7f9, #1e2126); --link: light-dark(#1f55c4, #8ab0ff);
  font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page);
}
* { box-sizing: border-box; }
body { max-width: 62rem; margin: 0 auto; padding: 1.25rem; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
a:focus-visible { outline: 2px solid var(--link); outline-offset: 1px; border-radius: 3px; }
.bar { display: flex; gap: .5rem 1rem; align-items: baseline; justify-content: space-between; margin-bottom: 1rem; }
.bar h1 { margin: 0; }
input {
  font: inherit; color: inherit; background: var(--raised); border: 1px solid var(--line); border-radius: 6px;
  padding: .3rem .6rem; width: 14rem; max-width: 100%;
}
h1 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 .75rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 0 0 .5rem; }
small, .note { color: var(--soft); font-size: .87em; }
code, pre { font: .87em/1.55 ui-monospace, "DejaVu Sans Mono", monospace; }
pre {
  background: var(--raised); border: 1px solid var(--line); border-radius: 6px; padding: .8rem 1rem; margin: 0 0 1rem;
  white-space: pre-wrap; overflow-wrap: anywhere;
}
.list { list-style: none; margin: 0; padding: 0; border-top: 1px solid var(--line); }
.list li { border-bottom: 1px solid var(--line); }
.list a {
  display: grid; grid-template-columns: 11rem 1fr auto 6.5rem; gap: 0 1rem; align-items: baseline; color: inherit;
  padding: .55rem .5rem;
}
.list a:hover { background: var(--raised); text-decoration: none; }
.list span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.who, .where, time { color: var(--soft); }
.where, time { font-size: .87em; white-space: nowrap; }
time { text-align: right; font-variant-numeric: tabular-nums; }
.tag {
  font-size: .75em; font-weight: 500; border: 1px solid var(--line); border-radius: 4px; padding: .05rem .35rem;
  margin-right: .5rem; color: var(--soft); vertical-align: 1px;
}
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.1rem; margin: 0 0 1rem; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.origin { background: var(--raised); border: 1px solid var(--line); border-radius: 6px; padding: .7rem 1rem; }
.origin code { display: block; user-select: all; }
.tabs { display: flex; gap: 1.25rem; border-bottom: 1px solid var(--line); margin-bottom: 1rem; }
.tabs a { color: var(--soft); padding: .35rem 0; border-bottom: 2px solid transparent; margin-bottom: -1px; }
.tabs a[aria-current] { color: inherit; border-color: currentColor; }
iframe {
  display: block; width: 100%; min-height: 8rem; resize: vertical; background: #fff; color-scheme: light;
  border: 1px solid var(--line); border-radius: 6px;
}
.empty { max-width: 38rem; padding: 1rem 0; }
.empty dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.1rem; }
.empty dd { margin: 0; }
@media (max-width: 44rem) {
  body { padding: 1rem; }
  .list a { grid-template-columns: 1fr auto; gap: .1rem .75rem; }
  .what { grid-row: 2; grid-column: 1 / 3; }
  .where { grid-row: 3; grid-column: 1 / 3; }
  .facts { gap: .15rem .8rem; }
  .headers { grid-template-columns: 1fr; gap: 0; }
  .headers dd { margin-bottom: .5rem; }
  .empty dl { grid-template-columns: 1fr; }
  .empty dd { margin-bottom: .35rem; }
}
"""

# It replaces the list while the page is visible; otherwise the title counts new messages.
SCRIPT: Final = """
const live = document.getElementById("live"), count = () => live.querySelectorAll("li").length;
let seen = count();
const title = document.title;
async function renew() {
  try {
    const text = await (await fetch(location.href)).text();
    const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("live");
    if (fresh.innerHTML !== live.innerHTML) {
      const focus = document.activeElement?.getAttribute("href");
      live.innerHTML = fresh.innerHTML;
      if (focus) live.querySelector(`[href="${focus}"]`)?.focus();
    }
    if (!document.hidden) seen = count();
    document.title = count() > seen ? `(${count() - seen}) ${title}` : title;
  } catch { document.title = `${title} (stopped)`; }
  setTimeout(renew, document.hidden ? 5000 : 1500);
}
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) { seen = count(); document.title = title; }
});
setTimeout(renew, 1500);
"""
