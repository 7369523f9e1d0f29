// Cards: in an element of the page, marked with `data-sojourn-feed`.

import type { Message } from "../contract.js"
import type { View } from "../board.js"
import { h, onChanges, safeUrl, whenSeen } from "../dom.js"
import { inFeed } from "../rules.js"
import { dress, label, shade } from "./frame.js"
import type { Stage } from "./stage.js"
import { closer, cover, draw, listActions, write } from "./parts.js"

const feeds = new WeakMap<Element, ShadowRoot>()
const messages = new WeakMap<Element, Message>()

const DEFAULT_FEED = "feed"

const findFeed = ({ placement }: Message): Element | undefined =>
  [...document.querySelectorAll("[data-sojourn-feed]")].find(
    (one) => (one.getAttribute("data-sojourn-feed") || DEFAULT_FEED) === (placement || DEFAULT_FEED),
  )

export const card: View = { hasPlace: (message) => !!findFeed(message), show: showCard }

function showCard(stage: Stage, see: () => void): void {
  const { message, content } = stage
  const { title, text, image, url, actions, pinned, dismissible = true } = content
  const href = safeUrl(url)
  const isNew = !message.shown_at && !message.clicked_at
  const card = h(
    "article",
    { class: `box card${isNew ? " new" : ""}`, "aria-label": title ?? label(stage, "message") },
    cover(image),
    h(
      "div",
      { class: "main" },
      title && h("p", { class: "title" },
        href ? h("a", { href, click: () => stage.follow(href) }, title) : title,
        pinned && draw("M9 4h6l-1 6 3 3H7l3-3zM12 13v7"),
      ),
      write(stage, text),
      listActions(stage, actions),
    ),
    dismissible && closer(stage),
  )
  const feed = findFeed(message)!
  let root = feeds.get(feed)
  if (!root?.host.isConnected) feeds.set(feed, (root = shade(feed, "feed")))
  const box = dress(stage, card)
  messages.set(box, message)
  const after = [...root.children].find((one) => inFeed(message, messages.get(one)!) < 0)
  root.insertBefore(box, after ?? null)
  stage.onEnd(() => box.remove())
  stage.onEnd(whenSeen(card, see))
  stage.onEnd(onChanges(() => box.isConnected || stage.leave()))
}
