// The shop's own script: it reports what its buttons do.
"use strict"

const user = document.body.dataset.user

// Who logs in is made known with their traits; who logs out is forgotten by this browser.
if (user && sessionStorage.user !== user) {
  sojourn.identify(user, { email: `${user}@example.com`, first_name: user[0].toUpperCase() + user.slice(1) })
}
if (!user && sessionStorage.user) sojourn.reset()
sessionStorage.user = user

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-track], [data-traits]")
  if (!button) return
  const { track, properties, traits } = button.dataset
  if (track) sojourn.track(track, JSON.parse(properties ?? "{}"))
  else if (user) sojourn.identify(user, JSON.parse(traits))
  button.dataset.done = ""
  setTimeout(() => delete button.dataset.done, 1_500)
})
