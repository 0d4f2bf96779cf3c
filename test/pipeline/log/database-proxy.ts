import type { NetConnectOpts } from 'node:net'
import { createNetwork, type Network, type Tap } from '../../harness/processes/network.ts'

/** What happens to the next insert of events that comes by. */
export type Cut =
  /** The connection ends before the server got it. */
  | 'before'
  /** The server got it and answered; the connection ends without the answer. */
  | 'after'
  /** The server got it and answered; the answer never comes, and the connection stays. */
  | 'silence'

export interface DatabaseProxy extends Pick<Network, 'cut' | 'freeze' | 'mend' | 'close'> {
  uri: string
  /** One for each insert of events that comes by, in turn; undefined = lets it pass. */
  plan: (Cut | undefined)[]
  /**
   * Lets nothing through any more, until `mend`, from the write on that is the nth to hold the text; the server does not get that one.
   * Resolves when it has come.
   */
  holdAt(text: string, nth?: number): Promise<void>
}

// BSON of `insert: 'events'`: type string, the name, the length with its final zero, the text.
const INSERT_OF_EVENTS = Buffer.concat([Buffer.from('\u0002insert\0'), Buffer.from([7, 0, 0, 0]), Buffer.from('events\0')])

// Driver 7.8 can hang for ever when all its connections end in one turn and its monitor is woken in that same turn: it then waits for
// `drain` on a socket that is gone. With both at one value a woken monitor always waits for a later turn.
const QUICK_HEARTBEAT = 'heartbeatFrequencyMS=500&minHeartbeatFrequencyMS=500'

/** Stands on loopback between a driver and a database server, whatever that one is. */
export async function createDatabaseProxy(upstream: string): Promise<DatabaseProxy> {
  const target = targetOf(upstream)
  const plan: DatabaseProxy['plan'] = []
  let hold: { text: string; left: number; reached(): void } | undefined

  function tap(): Tap {
    let cut: Cut | undefined
    return {
      near: (piece) => {
        if (isHeld(piece)) return 'drop'
        if (piece.includes(INSERT_OF_EVENTS)) cut = plan.shift()
        return cut === 'before' ? 'end' : 'pass'
      },
      far: () => (cut === 'after' ? 'end' : cut === 'silence' ? 'drop' : 'pass'),
    }
  }

  function isHeld(piece: Buffer): boolean {
    if (hold === undefined || !piece.includes(hold.text)) return false
    hold.left -= 1
    if (hold.left > 0) return false
    freeze()
    hold.reached()
    hold = undefined
    return true
  }

  const holdAt = (text: string, nth = 1) =>
    new Promise<void>((reached) => {
      hold = { text, left: nth, reached }
    })

  const { port, cut, freeze, mend, close } = await createNetwork({ targets: () => [target], tap })
  return { uri: `mongodb://127.0.0.1:${port}/?directConnection=true&${QUICK_HEARTBEAT}`, plan, holdAt, cut, freeze, mend, close }
}

function targetOf(uri: string): NetConnectOpts {
  const host = /^mongodb:\/\/([^/?]+)/.exec(uri)?.[1] ?? ''
  if (host.includes('%2F')) return { path: decodeURIComponent(host) }
  const [name = '127.0.0.1', port = '27017'] = host.split(':')
  return { host: name, port: Number(port) }
}
