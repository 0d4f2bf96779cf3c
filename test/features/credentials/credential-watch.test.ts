import { expect } from 'chai'
import { createCredentialWatch } from '../../../server/features/credentials/index.ts'
import type { Session } from '../../../server/pipeline/session.ts'

describe('the end of credentials, on a node', () => {
  it('[CUT-12] rooms that cannot be folded up to the end of one credential let no connection of another live on', async () => {
    // The cast holds: the watch looks at the principal alone.
    const sessionOf = (id: string) => ({ principal: { id, credential: { kind: 'key', id: `key of ${id}` } } }) as unknown as Session
    const cut: string[] = []
    const watch = createCredentialWatch({
      cutHere: ({ principal_id }) => cut.push(principal_id),
      sessionsHere: () => ['ada', 'ben', 'cleo'].map(sessionOf),
      ...{ hear: () => {}, tellPeers: () => {}, decided: async () => {}, settledWrites: async () => {} },
      lookUp: async (shown) => new Map(shown.map(({ credential }) => [credential?.id ?? '', { ended: { code: 4403, reason: 'ended' } }])),
      refreshRooms: async (principal_id) => {
        if (principal_id !== 'cleo') throw new Error(`no rooms of ${principal_id}`)
      },
      background: { run: () => {}, settled: async () => {} },
    })
    const failed = await watch.sweep().catch((cause: unknown) => cause)
    expect(cut).to.deep.equal(['ada', 'ben', 'cleo'])
    expect((failed as AggregateError).errors.map(String)).to.deep.equal(['Error: no rooms of ada', 'Error: no rooms of ben'])
  })
})
