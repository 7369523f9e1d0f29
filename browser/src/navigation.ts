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
    : all([listen(window, "popstate", later), listen(window, "hashchange", later), patch(later)])
}

function patch(callback: () => void): () => void {
  const before = { pushState: history.pushState, replaceState: history.replaceState }
  for (const name of ["pushState", "replaceState"] as const) {
    history[name] = function (...given) {
      before[name].apply(this, given)
      callback()
    }
  }
  return () => Object.assign(history, before)
}
