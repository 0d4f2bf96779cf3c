import { expect } from 'chai'
import { createClockWatch } from '../../server/database/clock-watch.ts'
import { connectDatabase } from '../../server/database/connect.ts'
import { clockWarning } from '../../server/settings/beside-others.ts'
import { createManualClock } from '../harness/clock.ts'
import { testDatabase } from '../harness/hub.ts'

const MINUTE_MS = 60_000

describe('a clock that is not the database\u2019s', () => {
  it('[SET-14] is told once, with how far it is ahead, and again when it is right', async () => {
    const clock = createManualClock()
    const { connection } = await connectDatabase(await testDatabase(), { kind: 'mongodb' })
    const told: [string, unknown][] = []
    let ahead_ms = 0
    let looked = Promise.withResolvers<void>()
    const watched = {
      ...clock,
      after: (ms: number, run: () => void) => {
        looked.resolve()
        return clock.after(ms, run)
      },
    }
    const { onOff, onRight } = clockWarning((_level, event, details) => void told.push([event, details?.['ahead_ms']]))
    const watch = createClockWatch({ connection, clock: watched, onOff, onRight, machine_ms: () => Date.now() + ahead_ms })
    const lookAgain = async (by_ms: number) => {
      ahead_ms = by_ms
      looked = Promise.withResolvers()
      clock.advance(MINUTE_MS)
      await looked.promise
    }
    watch.start()
    await looked.promise
    expect(told).to.deep.equal([])
    // A look whose answer was late says nothing, so the next one is asked.
    const until = async (count: number, by_ms: number) => {
      while (told.length < count) await lookAgain(by_ms)
    }
    await until(1, 600_000)
    await lookAgain(600_000)
    await until(2, 0)
    await until(3, -600_000)
    await watch.close()
    await connection.close()
    expect(told.map(([event]) => event)).to.deep.equal(['clock.off', 'clock.right', 'clock.off'])
    // As near as a look takes at the most.
    expect(told.map(([, by_ms]) => Math.round(Number(by_ms ?? 0) / 10_000))).to.deep.equal([60, 0, -60])
  })
})
