import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const project = fileURLToPath(new URL('../../..', import.meta.url))

/** A way to break the server: one piece of one file, replaced as it is loaded. Nothing in the server knows of it. */
interface Mutant {
  file: string
  find: string
  replace: string
}

export const mutants = {
  /** Says that it is committed, and means to write it a minute later. */
  'acknowledges before it commits': {
    file: '/server/pipeline/store/event-store.ts',
    find: 'await answered(collection.insertMany(documents, { ordered: true, writeConcern: committed }))',
    replace: 'setTimeout(() => void collection.insertMany(documents, { ordered: true }).catch(() => undefined), 60_000)',
  },
  'has no unique index over keys': {
    file: '/server/database/migrations/0001-first-indexes.ts',
    find: "{ collection: 'events', name: 'events_key', keys: { stream: 1, 'by.id': 1, key: 1 }, unique: true }",
    replace: "{ collection: 'events', name: 'events_key', keys: { stream: 1, 'by.id': 1, key: 1 } }",
  },
  /** Passes on what another node said as it comes. */
  'does not fold the word of others': {
    file: '/server/compose/listen-to-peers.ts',
    find: 'log.ingest(streamOf(contract_id), events.map(toStored))',
    replace: `{
      const told = events.map((text) => toStored(text).event)
      const [first, last] = [told.at(0)?.seq ?? 0, told.at(-1)?.seq ?? 0]
      broadcastHere(audienceOf.events(contract_id, true), 'events', { contract_id, epoch: '', first, last, events: told })
    }`,
  },
} as const satisfies Record<string, Mutant>

export type MutantName = keyof typeof mutants

/** What a hub process needs in its environment to be the mutant. */
export function mutantEnv(name: MutantName): Record<string, string> {
  const hook = fileURLToPath(new URL('mutate.ts', import.meta.url))
  // A file that was moved would never be replaced, and the mutant be right.
  if (!existsSync(join(project, mutants[name].file))) throw new Error(`there is no ${mutants[name].file}`)
  return { NODE_OPTIONS: `--import=${hook}`, PARLEY_TEST_MUTANT: JSON.stringify(mutants[name]) }
}
