// A process of its own that opens very many connections in one moment, each at its place in a room, and says what became of them.
import { setTimeout as delay } from 'node:timers/promises'
import { Member, type MemberSpec } from '../../../bench/member.ts'

export interface StormResult {
  /** Until the last one was live. */
  ms: number
  live: number
  /** Events that they were told, that came twice, and that were passed over. */
  told: number
  twice: number
  holes: number
  /** Connections that did not come about and were tried again. */
  retries: number
}

// A minute and more: a slow hub refuses for as long as its queue of connections is full.
const MOST_TRIES = 300
const LONGEST_PAUSE_MS = 500

process.on('disconnect', () => process.exit(0))
process.once('message', (specs: MemberSpec[]) => {
  void storm(specs).then((result) => process.send?.(result))
})

async function storm(specs: readonly MemberSpec[]): Promise<StormResult> {
  const began = performance.now()
  let retries = 0
  const come = async (spec: MemberSpec): Promise<Member | undefined> => {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const member = new Member(spec)
      const isLive = await member.open().then(
        () => true,
        () => false,
      )
      if (isLive) return member
      retries++
      await delay(Math.random() * LONGEST_PAUSE_MS)
    }
    return undefined
  }
  const members = (await Promise.all(specs.map(come))).filter((member) => member !== undefined)
  const sum = (of: (member: Member) => number) => members.reduce((total, member) => total + of(member), 0)
  return {
    ms: performance.now() - began,
    ...{
      live: members.length,
      told: sum((one) => one.deliveries),
      twice: sum((one) => one.twice),
      holes: sum((one) => one.holes),
      retries,
    },
  }
}
