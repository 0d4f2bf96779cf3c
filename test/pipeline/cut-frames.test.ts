import { expect } from 'chai'
import { createCredentialWatch } from '../../server/features/credentials/index.ts'
import { createCredentialCut } from '../../server/gateway/socket/credential-cut.ts'
import type { RecordedCommand } from '../../server/pipeline/command.ts'
import type { Log } from '../../server/pipeline/log/log.ts'
import { contractOf, createRecord } from '../../server/pipeline/log/record.ts'
import type { Session } from '../../server/pipeline/session.ts'
import { bodiesOf, outcomeOf, person, useRig } from './log/log-rig.ts'

describe('what a connection had sent before it was ended', () => {
  const rig = useRig()

  /** Ada's connection, what ends it, and a door for its frames. */
  function seat(log: Log) {
    const order: string[] = []
    const session = {
      ...{ id: 'one', principal: { ...person('ada'), credential: { kind: 'session', id: 'of ada' } } },
      exit: () => {},
      close: (code: number) => order.push(`closed with ${code}`),
      // The cast holds: neither the cut nor the road asks more of it.
    } as unknown as Session
    const cut = createCredentialCut({ sessions: new Map([['one', session]]), membersOf: () => ['one'], audiencesOf: () => ['a room'] })
    const ended = { code: 4001 as const, reason: 'Your roles have changed' }
    const watch = createCredentialWatch({
      ...{ cutHere: cut.cutHere, sessionsHere: cut.sessionsHere, hear: cut.hear, tellPeers: () => {} },
      ...{ decided: log.decided, settledWrites: async () => {} },
      lookUp: async () => new Map([['of ada', { ended }]]),
      refreshRooms: async () => {},
      background: { run: () => {}, settled: async () => {} },
    })
    // Of a kind that needs no role: here only the cut refuses. The casts hold: the road reads no more of a command and of the meter.
    const command = {
      kind: 'recorded',
      type: 'contract.open',
      keyOf: ({ key }: { key: string }) => key,
    } as unknown as RecordedCommand<never>
    const record = createRecord(log, { duplicate: () => {} } as never, cut.isCut)
    const post = (stream: string, key: string) => {
      const decide = () => ({ event: { type: 'message.posted', data: { body: key, visibility: 'all' } } })
      return outcomeOf(record({ ...command, decide } as never, { contract_id: contractOf(stream), key } as never, session))
    }
    return { order, cut, watch, post, session }
  }

  it('[CUT-14] what was decided is in the log before the end is answered, and what was not is refused', async () => {
    const log = rig.createLog()
    const { order, watch, post } = seat(log)
    const stream = rig.stream()
    const [begun, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    rig.plan.push(async (run) => {
      begun.resolve()
      await gate.promise
      order.push('committed')
      return run()
    })
    const early = post(stream, 'early')
    await begun.promise
    const waiting = post(stream, 'waiting')
    const answered = watch.recheck('ada').then(() => order.push('answered'))
    await new Promise(setImmediate)
    gate.resolve()
    await answered
    expect(order).to.deep.equal(['closed with 4001', 'committed', 'answered'])
    expect([await early, await waiting, await post(stream, 'late')]).to.deep.equal([1, 'UNAUTHENTICATED', 'UNAUTHENTICATED'])
    expect(bodiesOf(await rig.events(stream))).to.deep.equal(['1 early'])
  })

  it('[CUT-14] a handshake that began before the end was heard of is looked at again', () => {
    const { cut, session } = seat(rig.createLog())
    const { hasNewsOf } = cut.listen()
    expect(hasNewsOf(session.principal)).to.equal(false)
    cut.hear('ada')
    expect(hasNewsOf(session.principal)).to.equal(true)
    expect(hasNewsOf(person('bob'))).to.equal(false)
    expect(cut.listen().hasNewsOf(session.principal)).to.equal(false)
  })
})
