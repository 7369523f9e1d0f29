// What the tabs of an origin share. Sources: the Web Locks specification, 4.3 and 4.4; the HTML standard, 9.5.

type Action = () => Promise<void>
interface Request {
  action: Action
  resolve(): void
  reject(error: unknown): void
}

export class Locks {
  private readonly held = new Map<string, Request>()
  private readonly waiting = new Map<string, Request[]>()

  request(name: string, { signal, steal }: { signal?: AbortSignal; steal?: boolean }, action: Action): Promise<void> {
    if (signal && steal) return Promise.reject(new DOMException("both", "NotSupportedError"))
    return new Promise((resolve, reject) => {
      const made = { action, resolve, reject }
      const queue = this.waiting.get(name) ?? []
      this.waiting.set(name, queue)
      if (steal) {
        this.held.get(name)?.reject(new DOMException("stolen", "AbortError"))
        this.hold(name, made)
        return
      }
      queue.push(made)
      signal?.addEventListener("abort", () => {
        if (!queue.includes(made)) return
        queue.splice(queue.indexOf(made), 1)
        reject(signal.reason)
      })
      if (!this.held.has(name)) this.next(name)
    })
  }

  /** Take a lock as another tab does; returns what gives it back. */
  steal(name: string): () => void {
    let leave = () => {}
    void this.request(name, { steal: true }, () => new Promise((resolve) => (leave = resolve)))
    return () => leave()
  }

  private next(name: string): void {
    const made = this.waiting.get(name)!.shift()
    if (made) this.hold(name, made)
    else this.held.delete(name)
  }

  private hold(name: string, made: Request): void {
    this.held.set(name, made)
    const end = (how: () => void) => {
      how()
      if (this.held.get(name) === made) this.next(name)
    }
    Promise.resolve().then(made.action).then(() => end(made.resolve), (error: unknown) => end(() => made.reject(error)))
  }
}

const channels = new Set<Channel>()

/** A BroadcastChannel whose messages come at once, and not by a clock of their own. */
export class Channel {
  onmessage: ((event: { data: unknown }) => void) | null = null

  constructor(private readonly name: string) {
    channels.add(this)
  }

  postMessage(data: unknown): void {
    const others = [...channels].filter((one) => one !== this && one.name === this.name)
    queueMicrotask(() => others.forEach((one) => one.onmessage?.({ data })))
  }

  close(): void {
    channels.delete(this)
  }
}
