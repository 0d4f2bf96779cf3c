// An agent that answers questions about a folder of text files. README.md tells how to point it at a folder and a model.
import { setTimeout as delay } from 'node:timers/promises'
import { type Hub, type Place, RefusedError, type Room } from '../../client/sdk/index.ts'
import { comeIn, takeUpContract } from './come-in.ts'
import { converse } from './conversation.ts'
import { openState, type StateFile } from './desk-state.ts'
import { askFirstQuestion } from './first-question.ts'
import { createHubApi } from './hub-api.ts'
import { logLine } from './log-line.ts'
import { openFolder } from './reading/folder.ts'
import { createPassageIndex } from './reading/passage-index.ts'
import { watchFolder } from './reading/watch-folder.ts'
import { readSettings, type Settings } from './settings.ts'
import { nameTools } from './tools.ts'

/** A slow model must not keep whoever started us waiting: the room is there, the answer comes. */
const READY_AFTER_MS = 40_000
const GOODBYE_MS = 3_000

const stopping = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stopping.abort())
process.exit(await main(stopping.signal))

/** The exit code: 0 when it was asked to stop, 1 when it cannot go on. */
async function main(signal: AbortSignal): Promise<number> {
  const desk: { hub?: Hub } = {}
  try {
    await Promise.race([runDesk(desk, readSettings(process.env), signal), aborted(signal)])
  } catch (thrown) {
    if (!signal.aborted) logFault('The desk cannot go on', thrown)
  }
  // Says goodbye, so that the room sees it leave at once.
  await Promise.race([desk.hub?.close(), delay(GOODBYE_MS, undefined, { ref: false })])
  return signal.aborted ? 0 : 1
}

/** Ends only when the hub shuts the agent out for good, by throwing its refusal. Without a hub it waits for one. */
async function runDesk(desk: { hub?: Hub }, settings: Settings, signal: AbortSignal): Promise<void> {
  const folder = await openFolder(settings.folder)
  const index = createPassageIndex(folder)
  await index.refresh()
  logLine('info', 'Read the files', { folder: folder.root, ...index.count(), model: settings.model?.model ?? 'none' })
  watchFolder(folder, () => index.refresh().catch((thrown: unknown) => logFault('The files could not be read', thrown)))

  const file = await openState(settings.data_dir)
  const api = createHubApi(settings, signal)
  const hub = await comeIn({ hub_url: settings.hub_url, api, file })
  desk.hub = hub
  followHub(hub, file)
  nameTools(hub, { folder, index, model: settings.model })
  await hub.ready()
  const serving = serve(hub, file, signal)
  // Awaited below; until then its end must not be taken for one that nobody sees.
  serving.catch(() => undefined)
  const contract_id = await takeUpContract({ api, file, agent_id: hub.principal.id })
  await Promise.race([serving, firstAnswer(settings, contract_id, signal)])
  process.stdout.write(`${JSON.stringify({ ready: true, contract_id })}\n`)
  await serving
}

function followHub(hub: Hub, file: StateFile): void {
  const keepSession = () => {
    const session_id = hub.welcome?.session_id
    if (session_id === undefined || session_id === file.state.session_id) return
    file.change({ session_id }).catch((thrown: unknown) => logFault('The state could not be written', thrown))
  }
  keepSession()
  hub.on('state', (state) => {
    logLine('info', `The connection is ${state}`)
    if (state === 'live') keepSession()
  })
  hub.on('problem', ({ during, error, contract_id }) => logLine('warn', `A problem (${during})`, { detail: error.message, contract_id }))
}

/** Talks in every contract that the agent has, each room on its own. */
async function serve(hub: Hub, file: StateFile, signal: AbortSignal): Promise<void> {
  const from = (contract_id: string): Place => file.state.places[contract_id] ?? { seq: 0 }
  for await (const room of hub.rooms({ since: from })) {
    const onPlace = (place: Place) => file.change({ places: { ...file.state.places, [room.contract_id]: place } })
    converse(room, { from: from(room.contract_id), onPlace, signal })
      .then(() => leaveEnded(room, file))
      .catch((thrown: unknown) => logFault('A conversation ended', thrown, { contract_id: room.contract_id }))
  }
}

async function leaveEnded(room: Room, file: StateFile): Promise<void> {
  const { contract_id, view } = room
  if (view.contract?.state !== 'ended') return
  logLine('info', 'The contract has ended', { contract_id, outcome: view.contract.outcome })
  const { [contract_id]: _, ...places } = file.state.places
  await Promise.all([file.change({ places }), room.leave()])
}

/** Resolves when the first question has its answer, is refused, or takes too long to wait for. */
async function firstAnswer({ hub_url, operator_token, first_question }: Settings, contract_id: string, signal: AbortSignal): Promise<void> {
  const asked = askFirstQuestion({ hub_url, operator_token, contract_id, question: first_question, signal })
  const late = delay(READY_AFTER_MS, 'late', { signal, ref: false })
  try {
    if ((await Promise.race([asked, late])) === 'late') logLine('warn', 'The first answer takes long; not waiting for it')
  } catch (thrown) {
    signal.throwIfAborted()
    logFault('The first question could not be asked', thrown)
  }
}

function logFault(message: string, thrown: unknown, details: Record<string, unknown> = {}): void {
  const { message: detail, stack } = thrown instanceof Error ? thrown : { message: String(thrown), stack: undefined }
  logLine('error', message, { ...details, detail, ...(thrown instanceof RefusedError ? { code: thrown.code } : { stack }) })
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
