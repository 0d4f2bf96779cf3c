import { setTimeout as delay } from 'node:timers/promises'
import { CallError, type Place, RefusedError, type Room, type RoomEvent } from '../../client/sdk/index.ts'
import { answerSchema, messageOf } from './answers/answer.ts'
import { logLine } from './log-line.ts'

const TYPING_EVERY_MS = 3_000
/** A call that nobody could finish (the process was away too long) is made once more, and then given up. */
const MOST_ATTEMPTS = 3
const PAUSE_MS = 5_000

interface Question {
  seq: number
  body: string
  /** Everything up to here is dealt with. */
  before: Place
}

export interface Conversation {
  /** Where reading began: the place that the room was joined from. */
  from: Place
  /** Where a later process reads on: all questions before it have their answer. */
  onPlace(place: Place): Promise<void>
  signal: AbortSignal
}

/**
 * Answers what people ask in a room, one question after the other, until the contract ends or the room is left. What has been asked
 * and answered is read from the room's log alone, and each step has a key made of the question's place: after a crash the same
 * steps are taken again, and the hub records each of them once.
 */
export async function converse(room: Room, { from, onPlace, signal }: Conversation): Promise<void> {
  const waiting = new Map<number, Question>()
  const over = new AbortController()
  const stopped = AbortSignal.any([signal, over.signal])
  let read_place = from
  let kept = from.seq
  let wake = (): void => undefined

  const stopListening = [room.on('state', () => wake()), room.on('reset', startOver)]
  // Aborted while it waits: the reader and the worker both end.
  stopped.addEventListener('abort', () => wake())
  try {
    await Promise.all([readAll(), work()].map((part) => part.finally(() => over.abort())))
  } finally {
    for (const stop of stopListening) stop()
  }

  async function readAll(): Promise<void> {
    let since: number | undefined
    for (;;) {
      const wasReset = await readFrom(since)
      if (!wasReset) return
      since = 0
    }
  }

  /** Resolves to true when the log was replaced under the reader. */
  async function readFrom(since: number | undefined): Promise<boolean> {
    for await (const event of room.events({ signal: stopped, ...(since === undefined ? {} : { since }) })) {
      if (event.type === 'room.reset') {
        startOver()
        return true
      }
      take(event)
      wake()
      if (event.type === 'contract.ended') return false
    }
    return false
  }

  /** Another log has taken the place of this one: what it holds is read from its beginning. */
  function startOver(): void {
    waiting.clear()
    read_place = { seq: 0 }
    kept = 0
  }

  function take(event: Exclude<RoomEvent, { type: 'room.reset' }>): void {
    if (event.type === 'message.posted') {
      const { by, data, key, seq } = event
      if (by.kind === 'user' && data.visibility === 'all') waiting.set(seq, { seq, body: data.body, before: read_place })
      const [, answered] = /^answer:(\d+)$/.exec(key) ?? []
      if (by.kind === 'agent' && by.id === room.view.contract?.provider_id) waiting.delete(Number(answered))
    }
    const { epoch } = room.place
    read_place = { seq: event.seq, chain: event.chain, ...(epoch === undefined ? {} : { epoch }) }
  }

  async function work(): Promise<void> {
    while (!stopped.aborted) {
      const question = isCaughtUp() ? waiting.values().next().value : undefined
      if (question === undefined) {
        if (isCaughtUp()) await keepPlace()
        if (!stopped.aborted && !(isCaughtUp() && waiting.size > 0)) await news()
      } else if (await settle(question)) {
        if (waiting.get(question.seq) === question) waiting.delete(question.seq)
        await keepPlace()
      }
    }
  }

  /** What was missed is read first: it may hold the answer that an earlier process gave. */
  function isCaughtUp(): boolean {
    return room.state === 'live' && read_place.seq >= room.place.seq
  }

  function news(): Promise<void> {
    return new Promise((resolve) => {
      wake = resolve
    })
  }

  async function keepPlace(): Promise<void> {
    const place = waiting.values().next().value?.before ?? read_place
    if (place.seq === kept) return
    kept = place.seq
    room.setCursor(place.seq)
    await onPlace(place)
  }

  /** Resolves to true when the question is dealt with, false when it must be taken up again. */
  async function settle(question: Question): Promise<boolean> {
    const stopTyping = showTyping(room)
    try {
      await answer(room, question)
      return true
    } catch (thrown) {
      if (!(thrown instanceof RefusedError)) throw thrown
      return await isSettledBy(thrown, question)
    } finally {
      stopTyping()
    }
  }

  async function isSettledBy({ code, retry, message }: RefusedError, { seq }: Question): Promise<boolean> {
    if (code === 'CONTRACT_ENDED' || code === 'ROOM_LEFT' || code === 'HUB_CLOSED') over.abort()
    if (over.signal.aborted || code === 'ROOM_RESET') return false
    // An answer under this key is in the log.
    if (code === 'KEY_REUSED') return true
    logLine('warn', 'A question could not be answered', { contract_id: room.contract_id, seq, detail: message })
    if (retry === 'never') return true
    await delay(PAUSE_MS, undefined, { signal: stopped }).catch(() => undefined)
    return false
  }
}

async function answer(room: Room, { seq, body }: Question): Promise<void> {
  const reply = await replyTo(room, { seq, body })
  await room.post(reply, { key: `answer:${seq}`, reply_to: seq })
}

/** Asks the agent's own tool through the hub, so that the room sees the call and its words as they come. */
async function replyTo(room: Room, { seq, body }: Pick<Question, 'seq' | 'body'>): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const output = await room.call('answer', { question: body }, { key: `question:${seq}:${attempt}` }).result()
      const parsed = answerSchema.safeParse(output)
      return parsed.success ? messageOf(parsed.data) : 'I could not answer this: the tool gave something else than an answer.'
    } catch (thrown) {
      if (!(thrown instanceof CallError)) throw thrown
      const isLost = thrown.outcome === 'abandoned' || thrown.outcome === 'timed_out'
      if (!isLost || attempt === MOST_ATTEMPTS) return `I could not answer this: ${thrown.message}`
    }
  }
}

function showTyping(room: Room): () => void {
  room.typing()
  const timer = setInterval(() => room.typing(), TYPING_EVERY_MS)
  return () => clearInterval(timer)
}
