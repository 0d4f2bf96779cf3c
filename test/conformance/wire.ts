/** Longer than anything the hub may take on a busy machine, and below what mocha gives a test: a wait in vain names what it waited for. */
const PATIENCE_MS = 45_000

/** What the server says first, on either transport: the `open` packet of Engine.IO. */
export interface Opened {
  sid: string
  upgrades: string[]
  pingInterval: number
  pingTimeout: number
  maxPayload: number
}

/** One WebSocket as it is: no Socket.IO client between the test and the hub. Binary frames come as lists of bytes. */
export interface Wire {
  send(frame: string | Uint8Array<ArrayBuffer>): void
  /** The next frame that came, pings too. */
  next(): Promise<string | number[]>
  /** The next frame that is no ping; each ping on the way is answered. */
  nextAnswer(): Promise<string | number[]>
  /** Resolves when the other side has closed, with every frame that nobody read. */
  closed(): Promise<(string | number[])[]>
  close(): void
}

export function createProtocolClient(hub_url: string) {
  const address = (query: string) => `${hub_url}/socket.io/?${query}`
  const wires = new Set<Wire>()

  /** Opens a WebSocket, also one that will be refused. */
  function wireTo(query: string): Wire {
    const socket = new WebSocket(address(query).replace('http', 'ws'))
    socket.binaryType = 'arraybuffer'
    const frames: (string | number[])[] = []
    const watchers = new Set<() => void>()
    let isOpen = false
    let isClosed = false
    const wake = () => {
      for (const watch of [...watchers]) watch()
    }
    socket.addEventListener('open', () => {
      isOpen = true
      wake()
    })
    socket.addEventListener('message', ({ data }) => {
      frames.push(typeof data === 'string' ? data : [...new Uint8Array(data)])
      wake()
    })
    socket.addEventListener('error', () => {}) // `close` follows, and is what a test waits for
    socket.addEventListener('close', () => {
      isClosed = true
      wake()
    })

    const until = (isSo: () => boolean, what: string) =>
      new Promise<void>((resolve, reject) => {
        const watch = () => {
          if (!isSo()) return
          watchers.delete(watch)
          clearTimeout(timer)
          resolve()
        }
        const timer = setTimeout(() => {
          watchers.delete(watch)
          reject(new Error(`waited in vain for ${what}; unread: ${JSON.stringify(frames)}, open: ${isOpen}, closed: ${isClosed}`))
        }, PATIENCE_MS)
        watchers.add(watch)
        watch()
      })

    async function next(): Promise<string | number[]> {
      await until(() => frames.length > 0 || isClosed, 'a frame')
      const frame = frames.shift()
      if (frame === undefined) throw new Error('the hub closed instead of answering')
      return frame
    }

    async function nextAnswer(): Promise<string | number[]> {
      for (;;) {
        const frame = await next()
        if (frame !== '2') return frame
        socket.send('3')
      }
    }

    const queued: (string | Uint8Array<ArrayBuffer>)[] = []
    function send(frame: string | Uint8Array<ArrayBuffer>): void {
      if (socket.readyState === WebSocket.OPEN) socket.send(frame)
      else if (queued.push(frame) === 1) {
        socket.addEventListener('open', () => {
          for (const one of queued) socket.send(one)
        })
      }
    }

    const wire: Wire = {
      ...{ send, next, nextAnswer },
      closed: async () => {
        await until(() => isClosed, 'the end of the connection')
        return frames
      },
      close: () => socket.close(),
    }
    wires.add(wire)
    return wire
  }

  const get = (query: string) => fetch(address(query), { signal: AbortSignal.timeout(PATIENCE_MS) })

  return {
    wireTo,
    get,
    /** A new session on a WebSocket alone. */
    openWire: async (): Promise<Wire & { opened: Opened }> => {
      const wire = wireTo('EIO=4&transport=websocket')
      return { ...wire, opened: parseOpen(await wire.next()) }
    },
    /** A new session by polling: its open packet. */
    openPolling: async (): Promise<Opened> => parseOpen(await (await get('EIO=4&transport=polling')).text()),
    poll: (sid: string) => get(`EIO=4&transport=polling&sid=${sid}`),
    push: (sid: string, body: string) => fetch(address(`EIO=4&transport=polling&sid=${sid}`), { method: 'POST', body }),
    ask: (query: string, method: string) => fetch(address(query), { method }),
    /** What every test ends with. */
    closeAll: () => {
      for (const wire of wires) wire.close()
      wires.clear()
    },
  }
}

export type ProtocolClient = ReturnType<typeof createProtocolClient>

function parseOpen(packet: string | number[]): Opened {
  if (typeof packet !== 'string' || !packet.startsWith('0')) throw new Error(`no open packet: ${packet}`)
  return JSON.parse(packet.slice(1))
}
