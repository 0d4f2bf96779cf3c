import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

const placeSchema = z.object({ seq: z.int().min(0), epoch: z.string().exactOptional(), chain: z.string().exactOptional() })

const stateSchema = z.object({
  agent: z.object({ agent_id: z.string(), api_key: z.string() }).exactOptional(),
  contract_id: z.string().exactOptional(),
  /** The session of the process before: taken up again, the calls that it left open come to us. */
  session_id: z.string().exactOptional(),
  /** By contract: every question up to here has its answer. */
  places: z.record(z.string(), placeSchema).default({}),
})
export type DeskState = z.infer<typeof stateSchema>

export interface StateFile {
  readonly state: DeskState
  /** Resolves when the new state is on the disk. */
  change(news: Partial<DeskState>): Promise<void>
  /** Forgets all of it: the hub does not know this agent. */
  forget(): Promise<void>
}

/**
 * What the agent has to know again after a crash, in `docs-desk.json`. The file holds the agent's key, so only its owner may read
 * it. A write replaces it by a rename: a crash leaves the old state or the new one. A file that is none of ours is not overwritten.
 */
export async function openState(data_dir: string): Promise<StateFile> {
  const path = join(data_dir, 'docs-desk.json')
  await mkdir(data_dir, { recursive: true, mode: 0o700 })
  let state = await readState(path)
  let writing = Promise.resolve()

  function save(): Promise<void> {
    // One after the other, each with the newest state.
    writing = writing.catch(() => undefined).then(() => replaceFile(path, `${JSON.stringify(state, null, 2)}\n`))
    return writing
  }

  return {
    get state() {
      return state
    },
    change(news) {
      state = { ...state, ...news }
      return save()
    },
    forget() {
      state = { places: {} }
      return save()
    },
  }
}

async function readState(path: string): Promise<DeskState> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '{}'
    throw error
  })
  try {
    return stateSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new Error(`${path} is not the state of docs-desk. Move it away, and docs-desk starts as a new agent.`, { cause })
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  const handle = await open(temporary, 'w', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, path)
}
