import { expect } from 'chai'
import { systemClock } from '../../../server/core/clock.ts'
import { createAgentModels, createAgentSessions, createHeartbeat } from '../../../server/features/agents/index.ts'
import { createOpenHeads } from '../../../server/features/rooms/index.ts'
import type { Session } from '../../../server/pipeline/session.ts'
import { person, useRig } from '../../pipeline/log/log-rig.ts'

describe('agents: heartbeats', () => {
  const rig = useRig()

  it('[READ-3] however many come at once, two of a session are written down, and where its rooms stand is read three times at most', async () => {
    const asked = { writes: 0, contracts: 0, heads: 0 }
    const models = createAgentModels(rig.connection)
    const counted = new Proxy(models.sessions, {
      get(target, name) {
        if (name === 'findOneAndUpdate') asked.writes++
        const member: unknown = Reflect.get(target, name)
        return typeof member === 'function' ? member.bind(target) : member
      },
    })
    const heads = createOpenHeads({
      openOf: async () => {
        asked.contracts++
        return ['one', 'two']
      },
      headsOf: async (streams) => {
        asked.heads++
        return new Map(streams.map((stream) => [stream, { seq: 7, chain: 'c' }]))
      },
    })
    const sessions = createAgentSessions(systemClock)
    const principal = { ...person('scribe'), kind: 'agent' as const }
    // The cast holds: a heartbeat asks for no more of its connection.
    const session = { id: 'connection', principal } as Session
    sessions.add(session, { session_id: 'session', hello_ms: 1, tools: undefined })
    const beat = createHeartbeat({
      ...{ models: { ...models, sessions: counted }, sessions, clock: systemClock },
      health: { watch: () => {}, beat: () => {}, forget: () => {}, close: () => {} },
      // The cast holds: the session was never ill.
      illness: {} as never,
      tellOver: async () => {},
      heads: async (id) => Object.fromEntries((await heads(id)).map(({ contract_id, seq, chain }) => [contract_id, { seq, chain }])),
    })
    const answers = await Promise.all(Array.from({ length: 40 }, () => beat.handle(session, {})))
    const told = { heads: { one: { seq: 7, chain: 'c' }, two: { seq: 7, chain: 'c' } } }
    expect(answers.map(({ ack }) => ack())).to.deep.equal(answers.map(() => told))
    expect(asked.writes).to.equal(2)
    // For the first beat, for the first of the others, and for the rest of them.
    expect(asked.contracts).to.be.within(2, 3)
    expect(asked.heads).to.equal(asked.contracts)
  })
})
