"""The style of the inbox, and the script that keeps its list up to date."""

from typing import Final

STYLE: Final = """
:root {
  color-scheme: light dark;
  --text: light-dark(#1c1f24, #e4e6ea); --soft: light-dark(#626973, #99a1ac); --page: light-dark(#fff, #16181c);
  --line: light-dark(#e3e6ea, #2c3037); --raised: light-dark(#f6f7f9, #1e2126); --link: light-dark(#1f55c4, #8ab0ff);
  --own: light-dark(#1f55c4, #2f62c9); --paper: light-dark(#fffdf7, #24221c); --good: light-dark(#1a7340, #6fcf97);
  --bad: light-dark(#b3261e, #ff9d94);
  font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page);
}
* { box-sizing: border-box; }
body { max-width: 62rem; margin: 0 auto; padding: 1.25rem; }
a { color: var(--link); text-underline-offset: .15em; text-decoration-thickness: 1px; }
a:hover { text-decoration-thickness: 2px; }
nav a, .list a { text-decoration: none; }
a:focus-visible { outline: 2px solid var(--link); outline-offset: 1px; border-radius: 3px; }
.bar { display: flex; gap: .5rem 1rem; align-items: baseline; justify-content: space-between; margin-bottom: 1rem; }
.bar h1 { margin: 0; }
.crumb { display: flex; flex-wrap: wrap; gap: 0 1rem; align-items: baseline; min-width: 0; }
input, select, textarea, button {
  font: inherit; color: inherit; background: var(--raised); border: 1px solid var(--line); border-radius: 6px;
  padding: .3rem .6rem; max-width: 100%;
}
input[type=search] { width: 13rem; }
button { cursor: pointer; }
button:hover { border-color: var(--link); }
:is(input, select, textarea, button, summary):focus-visible { outline: 2px solid var(--link); outline-offset: 1px; }
[role=search] { display: flex; flex-wrap: wrap; gap: .4rem; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.people { display: flex; gap: .25rem .75rem; align-items: baseline; margin-bottom: .75rem; }
.people h2 { font-size: .87em; font-weight: 400; color: var(--soft); margin: 0; }
.people ul { display: flex; flex-wrap: wrap; gap: .35rem; list-style: none; margin: 0; padding: 0; min-width: 0; }
.people a {
  display: block; max-width: 16rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  border: 1px solid var(--line); border-radius: 99px; padding: .05rem .7rem; background: var(--raised);
}
.places { display: grid; grid-template-columns: 23rem minmax(0, 1fr); gap: 1.5rem 2rem; align-items: start; }
.place { min-width: 0; margin-bottom: 1rem; }
.places .place { grid-column: 2; margin: 0; }
.places .at-phone { grid-column: 1; grid-row: 1 / span 5; }
.places:not(:has(.at-phone)) { grid-template-columns: minmax(0, 1fr); }
.places:not(:has(.at-phone)) .place { grid-column: 1; }
.place > h2 { font-size: .87em; font-weight: 500; color: var(--soft); }
.screen { display: flex; flex-direction: column; gap: 1rem; }
.at-phone .screen {
  border: 10px solid light-dark(#22262c, #000); border-radius: 2.25rem; padding: 1.25rem .8rem; max-width: 23rem;
  background: linear-gradient(light-dark(#dfe7f5, #1d2638), light-dark(#f2ecf6, #261f2e));
}
.places .at-phone .screen { min-height: 30rem; }
.message { min-width: 0; scroll-margin-top: 1rem; }
.message h3 { font-size: 1em; margin: 0; overflow-wrap: anywhere; }
.message:target > :first-child { outline: 2px solid var(--link); outline-offset: 2px; }
.notification, .mail, .card, .sheet { border: 1px solid var(--line); background: var(--page); margin: 0; }
.notification { border-radius: 1rem; padding: .7rem .9rem; box-shadow: 0 1px 4px #0002; }
.notification p { margin: .1rem 0 0; overflow-wrap: anywhere; white-space: pre-line; }
.notification .image { border: 1px dashed var(--line); border-radius: .5rem; padding: .8rem .6rem; margin: .4rem 0; }
.image, .target { font-size: .87em; color: var(--soft); }
.message > .target { margin: 0 0 .2rem; }
.bubble {
  background: light-dark(#fff, #33383f); border: 1px solid var(--line); border-radius: 1.1rem 1.1rem 1.1rem .3rem;
  padding: .5rem .85rem; margin: 0 2.5rem 0 0; width: fit-content; white-space: pre-line; overflow-wrap: anywhere;
}
.bubble.own {
  background: var(--own); border-color: var(--own); color: #fff; border-radius: 1.1rem 1.1rem .3rem 1.1rem;
  margin: .35rem 0 0 auto; position: relative;
}
.at-talk .screen { max-width: 34rem; }
.mail, .card { border-radius: 8px; padding: .7rem 1rem; }
.mail p { margin: .2rem 0 0; color: var(--soft); overflow-wrap: anywhere; }
.card .facts { margin: 0; }
.card h2 { margin: .5rem 0 .3rem; }
.card pre { margin: 0; }
.sheet {
  background: var(--paper); padding: .9rem 1rem 1rem; max-width: 34rem; box-shadow: 0 2px 6px #0003; border-radius: 2px;
}
.sheet + .sheet { margin-top: .75rem; }
.sheet figcaption { font-size: .87em; color: var(--soft); margin-bottom: .4rem; }
.sheet p { margin: 0; overflow-wrap: anywhere; }
.about { font-size: .87em; color: var(--soft); margin: .4rem .2rem 0; overflow-wrap: anywhere; }
.mark { font-size: .8rem; font-weight: 500; color: var(--good); margin-left: .4rem; white-space: nowrap; }
.mark.bounced, .mark.complained, .mark.dismissed { color: var(--bad); }
.actions { display: flex; flex-wrap: wrap; gap: .35rem; margin-top: .4rem; }
.actions button, .reply button { font-size: .87em; padding: .2rem .7rem; border-radius: 99px; background: var(--page); }
.actions button { max-width: 100%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.reply { display: flex; gap: .35rem; margin-top: .4rem; align-items: end; max-width: 34rem; }
.reply textarea { flex: 1; min-width: 0; background: var(--page); border-radius: 1rem; field-sizing: content; }
details { margin: 1rem 0; }
summary { cursor: pointer; color: var(--link); margin-bottom: .5rem; }
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
  .bar { flex-wrap: wrap; }
  .places { grid-template-columns: minmax(0, 1fr); }
  .places .place, .places .at-phone { grid-column: 1; grid-row: auto; }
  .at-phone .screen { margin: 0 auto; }
  .headers { grid-template-columns: 1fr; gap: 0; }
  .headers dd { margin-bottom: .5rem; }
  .empty dl { grid-template-columns: 1fr; }
  .empty dd { margin-bottom: .35rem; }
}
"""

# It replaces the list while nothing is written there; on a page that is not visible, the title counts new messages.
SCRIPT: Final = """
const live = document.getElementById("live"), count = () => live.querySelectorAll(".list li, article").length;
const isWriting = () => [...live.querySelectorAll("textarea")].some(one => one.value || one === document.activeElement);
let seen = count();
const title = document.title;
async function renew() {
  try {
    const text = await (await fetch(location.href)).text();
    const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("live");
    if (fresh.innerHTML !== live.innerHTML && !isWriting()) {
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
