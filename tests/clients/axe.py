"""The rules of WCAG 2.2 AA, and what axe-core from npm says of a page by them."""

import json
from pathlib import Path

from tests.clients.devtools import Session

AXE = Path(__file__).parent / "node" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
FAULTS = """axe.run(document, {runOnly: RULES}).then(
  found => found.violations.map(one => one.id + ": " + one.nodes.map(node => node.html).join(" "))
)""".replace("RULES", json.dumps(RULES))
# Parts that fade in have less contrast meanwhile.
SETTLED = """
(() => {
  const list = (root) => [
    ...root.getAnimations(),
    ...[...root.querySelectorAll("*")].flatMap(({ shadowRoot }) => (shadowRoot ? list(shadowRoot) : [])),
  ]
  return Promise.allSettled(list(document).map((one) => one.finished)).then(() => true)
})()
"""


async def keep_axe(page: Session) -> None:
    """Have axe-core on whatever is opened there from now on: half a megabyte less to be sent for each."""
    await page.call("Page.addScriptToEvaluateOnNewDocument", source=AXE.read_text())


async def find_faults(page: Session) -> list[str]:
    """The rules that a page breaks, each with the elements that do."""
    await page.run(SETTLED)
    if await page.run("typeof axe") == "undefined":
        await page.run(AXE.read_text())
    faults: list[str] = await page.run(FAULTS)
    return faults
