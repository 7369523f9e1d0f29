// Changes of the address without a new page, as applications of one page make them.

import { all, listen } from "./signals.js"

/** Call back after each change of the address. */
export function onNavigation(callback: () => void): () => void {
  let last = location.href
  const look = () => {
    if (location.href === last) return
    last = location.href
    callback()
  }
  const later = () => setTimeout(look)
  const { navigation } = window as unknown as { navigation?: EventTarget }
  return navigation
    ? listen(navigation, "currententrychange", later)
    : all([listen(window, "popstate", later), listen(window, "hashchange", later), listenToHistory(later)])
}

const listeners = new Set<() => void>()
let isPatched = false

/** Change the methods of the history once, and never back: others may have changed them since. */
function listenToHistory(callback: () => void): () => void {
  listeners.add(callback)
  for (const name of isPatched ? [] : (["pushState", "replaceState"] as const)) {
    const before = history[name]
    history[name] = function (...given) {
      before.apply(this, given)
      listeners.forEach((one) => one())
    }
  }
  isPatched = true
  return () => listeners.delete(callback)
}
