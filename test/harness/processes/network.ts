import { once } from 'node:events'
import { connect, createServer, type NetConnectOpts, type Socket } from 'node:net'

/** What becomes of a piece of a connection on its way. */
export type Verdict = 'pass' | 'drop' | 'end'

/** Looks at what passes on one connection: `near` comes from the client, `far` from the server. */
export interface Tap {
  near?(piece: Buffer): Verdict
  far?(piece: Buffer): Verdict
}

export interface NetworkOptions {
  /** Asked at each new connection. Where nobody listens the next one is tried, as a load balancer does. */
  targets(): readonly NetConnectOpts[]
  /** One for each connection. */
  tap?(): Tap
  /** How long the next piece is on its way; pieces never overtake each other. */
  delay_ms?(): number
}

export interface Network {
  port: number
  url: string
  /** Breaks every connection, without a goodbye to either side, and lets none through until `mend`. */
  cut(): void
  /** Takes everything and passes nothing on, until `mend`. */
  freeze(): void
  /** Those that are open fall silent for good, and neither side hears that the other one went: its machine lost its power. New ones pass. */
  silence(): void
  /** As it was. What was frozen lost bytes, so those connections end. */
  mend(): void
  close(): Promise<void>
}

interface Pair {
  near: Socket
  far: Socket
  isSilent: boolean
}

/** Stands on loopback between clients and a server, and breaks as networks do. */
export async function createNetwork({ targets, tap, delay_ms }: NetworkOptions): Promise<Network> {
  const pairs = new Set<Pair>()
  let state: 'open' | 'cut' | 'frozen' = 'open'

  const server = createServer((near) => {
    near.on('error', () => undefined) // `close` follows
    if (state === 'cut') return near.resetAndDestroy()
    near.pause()
    connectFirst([...targets()], near, (far) => join(near, far))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')

  function join(near: Socket, far: Socket): void {
    const pair: Pair = { near, far, isSilent: false }
    pairs.add(pair)
    const judge = tap?.() ?? {}
    for (const [from, to, look] of [
      [near, far, judge.near],
      [far, near, judge.far],
    ] as const) {
      const carrier = createCarrier(from, to, delay_ms)
      from.on('data', (piece: Buffer) => {
        const verdict = look?.(piece) ?? 'pass'
        if (verdict === 'end') near.destroy()
        else if (verdict === 'pass' && state !== 'frozen' && !pair.isSilent) carrier.carry(piece)
      })
      from.once('close', () => {
        if (!pair.isSilent) carrier.end()
        if (near.destroyed && far.destroyed) pairs.delete(pair)
      })
    }
    near.resume()
  }

  function resetAll(): void {
    for (const { near, far } of pairs) {
      near.resetAndDestroy()
      // It may be a Unix socket, and those have no reset.
      far.destroy()
    }
  }

  return {
    port: address.port,
    url: `http://127.0.0.1:${address.port}`,
    cut: () => {
      state = 'cut'
      resetAll()
    },
    freeze: () => {
      state = 'frozen'
    },
    silence: () => {
      for (const pair of pairs) pair.isSilent = true
    },
    mend: () => {
      if (state === 'frozen') resetAll()
      state = 'open'
    },
    close: async () => {
      state = 'cut'
      resetAll()
      server.close()
      await once(server, 'close')
    },
  }
}

/** The way to one hub. */
export function createHubNetwork(hub_url: string): Promise<Network> {
  const { hostname, port } = new URL(hub_url)
  return createNetwork({ targets: () => [{ host: hostname, port: Number(port) }] })
}

function connectFirst([target, ...others]: NetConnectOpts[], near: Socket, then: (far: Socket) => void): void {
  if (target === undefined) {
    near.destroy()
    return
  }
  const far = connect(target)
  const goOn = () => connectFirst(others, near, then)
  far.once('error', goOn)
  far.once('connect', () => {
    far.off('error', goOn)
    far.on('error', () => undefined) // `close` follows
    if (near.destroyed) far.destroy()
    else then(far)
  })
}

interface Carrier {
  carry(piece: Buffer): void
  /** Behind what is still on its way. */
  end(): void
}

/** Carries pieces over in their order, each after its delay, and no faster than they are taken. */
function createCarrier(from: Socket, to: Socket, delay_ms: () => number = () => 0): Carrier {
  const waiting: { piece: Buffer; due: number }[] = []
  let timer: NodeJS.Timeout | undefined
  let isEnded = false
  to.on('drain', () => from.resume())

  function send(): void {
    timer = undefined
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      const left_ms = first.due - performance.now()
      if (left_ms > 0) {
        timer = setTimeout(send, left_ms)
        return
      }
      waiting.shift()
      if (!to.destroyed && !to.write(first.piece)) from.pause()
    }
    if (isEnded) to.destroySoon()
  }

  return {
    carry: (piece) => {
      const due = performance.now() + delay_ms()
      waiting.push({ piece, due: Math.max(due, waiting.at(-1)?.due ?? 0) })
      if (timer === undefined) send()
    },
    end: () => {
      isEnded = true
      if (timer === undefined) send()
    },
  }
}
