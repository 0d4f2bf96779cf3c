import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { WireEvent } from '../../shared/protocol/index.ts'
import { readLog } from '../harness/history/read-log.ts'
import { type Client, connectAs, type Person } from '../harness/people.ts'
import { lifeline } from '../harness/processes/lifeline.ts'

const MAIN = fileURLToPath(new URL('../../examples/docs-desk/main.ts', import.meta.url))

export interface Reach {
  url: string
  operator_token: string
}

export interface DeskProcess {
  /** The contract of its ready line. Rejects when it ends before. */
  ready: Promise<string>
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** Its log's messages. */
  log: { level: string; message: string; details: Record<string, unknown> }[]
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<{ code: number | null; signal: NodeJS.Signals | null }>
}

const running = new Set<ChildProcess>()

/** Ends what a failed test left. */
export async function endAllDesks(): Promise<void> {
  for (const child of running) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}

export const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'docs-desk-'))

/** docs-desk as scripts/start runs it. */
export function startDesk(hub: Reach, { data_dir, folder, env = {} }: { data_dir: string; folder: string; env?: Record<string, string> }) {
  const child = spawn(process.execPath, [MAIN], {
    env: {
      ...lifeline(),
      ...{ PATH: process.env['PATH'], HOME: data_dir, PARLEY_URL: hub.url, PARLEY_OPERATOR_TOKEN: hub.operator_token },
      ...{ PARLEY_DATA_DIR: data_dir, DOCS_DESK_FOLDER: folder, ...env },
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  const log: DeskProcess['log'] = []
  const errors: string[] = []
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => {
      running.delete(child)
      resolve({ code, signal })
    })
  })
  createInterface(child.stderr).on('line', (line) => {
    errors.push(line)
    if (line.startsWith('{')) log.push(JSON.parse(line))
  })
  const ready = new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => resolve(JSON.parse(line).contract_id))
    void ended.then(() => reject(new Error(`the desk ended before it was ready:\n${errors.join('\n')}`)))
  })
  ready.catch(() => undefined)
  const kill = (signal: 'SIGKILL' | 'SIGTERM') => {
    child.kill(signal)
    return ended
  }
  return { ready, ended, log, kill } satisfies DeskProcess
}

export const operatorOf = (hub: Reach): Person => ({ id: '', auth: { token: hub.operator_token }, bearer: hub.operator_token })

/** The operator in the room, with all of its log. */
export async function sitDown(hub: Reach, contract_id: string, person: Person = operatorOf(hub)): Promise<Client> {
  const client = await connectAs(hub, person)
  await client.must('room.join', { contract_id, since: 0 })
  await client.next('live')
  return client
}

let questions = 0

/** Posts a question, and resolves to its place. */
export async function ask(client: Client, contract_id: string, body: string): Promise<number> {
  questions += 1
  return (await client.must('message.post', { contract_id, key: `q-${questions}`, body })).seq
}

/** The message that answers the question at this place. */
export async function answerTo(client: Client, contract_id: string, seq: number): Promise<{ seq: number; body: string }> {
  const event = await client.event(contract_id, 'message.posted', (one) => 'data' in one && replyOf(one) === seq)
  return { seq: event.seq, body: String(event.data['body']) }
}

/** Calls a tool of the desk and resolves to the event that ends the call, with what was streamed before. */
export async function callTool(client: Client, contract_id: string, tool: string, input: unknown) {
  questions += 1
  const { call_id } = await client.must('tool.call', { contract_id, key: `c-${questions}`, tool, input })
  const isEnd = (one: WireEvent) => 'data' in one && 'call_id' in one.data && one.data.call_id === call_id
  const end = await Promise.race(['call.succeeded', 'call.failed'].map((type) => client.event(contract_id, type, isEnd)))
  const chunks = client.told
    .filter(({ type }) => type === 'chunk')
    .map(({ payload }) => payload as { call_id: string; seq: number; chunk: string })
    .filter((chunk) => chunk.call_id === call_id)
  return { end, chunks, output: end.data['output'] as never, error: end.data['error'] as { code: string; message: string } | undefined }
}

/** The whole log, over HTTP. */
export const logOf: (hub: Reach, contract_id: string) => Promise<WireEvent[]> = readLog

/** How often each question was answered, by its place, and the calls that have no outcome, or more than one. */
export function countAnswers(events: readonly WireEvent[]): { answers: Record<number, number>; odd_calls: string[] } {
  const answers: Record<number, number> = {}
  const outcomes = new Map<string, number>()
  for (const event of events) {
    if (event.type === 'message.posted' && event.by.kind === 'user') answers[event.seq] ??= 0
    const seq = replyOf(event)
    if (seq !== undefined) answers[seq] = (answers[seq] ?? 0) + 1
    if (!('data' in event) || !('call_id' in event.data)) continue
    const isEnd = /^call\.(succeeded|failed|canceled|timed_out|abandoned)$/.test(event.type)
    outcomes.set(event.data.call_id, (outcomes.get(event.data.call_id) ?? 0) + (isEnd ? 1 : 0))
  }
  return { answers, odd_calls: [...outcomes].filter(([, times]) => times !== 1).map(([call_id]) => call_id) }
}

function replyOf(event: WireEvent): number | undefined {
  return event.type === 'message.posted' && event.by.kind === 'agent' ? event.data.reply_to : undefined
}
