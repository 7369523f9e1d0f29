// Local storage that can be full: browsers then refuse each write. To be imported before what uses the storage.

let isFull = false

const refusing = new Proxy(localStorage, {
  set(target, key, value) {
    if (isFull) throw new DOMException("the quota has been exceeded", "QuotaExceededError")
    return Reflect.set(target, key, value, target)
  },
  get(target, key) {
    const found: unknown = Reflect.get(target, key, target)
    return typeof found === "function" ? found.bind(target) : found
  },
})
Object.defineProperty(globalThis, "localStorage", { value: refusing, configurable: true })

/** Say whether the storage has no room. */
export const setFull = (value: boolean): void => void (isFull = value)
