import { z } from 'zod'
import type { ModelSettings } from '../settings.ts'
import { eventData } from './sse.ts'

export interface ChatMessage {
  role: 'system' | 'user'
  content: string
}

/** The model gave no answer, or not all of it. The sentence is for people; it never holds the key. */
export class ModelFault extends Error {}

/** A model on a small machine may think this long before its first word, and between two. */
const SILENCE_MS = 30_000
/** Under the deadline of the tool, so that there is time left to answer from the files. */
const WHOLE_MS = 90_000

const choiceSchema = z.object({
  delta: z.object({ content: z.string().nullish() }).optional(),
  message: z.object({ content: z.string().nullish() }).optional(),
  finish_reason: z.string().nullish(),
})
const completionSchema = z.object({ choices: z.array(choiceSchema).optional(), error: z.unknown().optional() })

/** Streams the text that an OpenAI-compatible server writes. Throws ModelFault, also in the middle; the signal's reason on abort. */
export async function* complete(
  { url, model, api_key }: ModelSettings,
  { messages, signal, silence_ms = SILENCE_MS }: { messages: ChatMessage[]; signal: AbortSignal; silence_ms?: number },
): AsyncGenerator<string, void, void> {
  const silence = createSilence(silence_ms)
  const any = AbortSignal.any([signal, silence.signal, AbortSignal.timeout(WHOLE_MS)])
  try {
    const response = await fetch(`${url}/chat/completions`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        ...(api_key ? { authorization: `Bearer ${api_key}` } : {}),
      },
      body: JSON.stringify({ model, messages, stream: true, temperature: 0 }),
      signal: any,
    })
    silence.broken()
    yield* textOf(response, silence.broken)
  } catch (thrown) {
    signal.throwIfAborted()
    if (thrown instanceof ModelFault) throw thrown
    throw new ModelFault(any.aborted ? 'it was silent for too long' : 'the connection failed', { cause: thrown })
  } finally {
    silence.end()
  }
}

async function* textOf(response: Response, onSign: () => void): AsyncGenerator<string, void, void> {
  if (!response.ok || response.body === null) {
    await response.body?.cancel()
    throw new ModelFault(`it answered with status ${response.status}`)
  }
  // Some servers do not stream, whatever they are asked.
  if (response.headers.get('content-type')?.includes('json')) return yield* wholeText(await response.text())
  let isOver = false
  let hasText = false
  for await (const data of eventData(response.body)) {
    onSign()
    if (data.trim() === '[DONE]') {
      isOver = true
      break
    }
    for (const { delta, finish_reason } of choicesOf(data)) {
      if (delta?.content) {
        hasText = true
        yield delta.content
      }
      if (finish_reason) isOver = true
    }
  }
  if (!isOver) throw new ModelFault('its stream broke off')
  if (!hasText) throw new ModelFault('it answered without a word')
}

function* wholeText(body: string): Generator<string, void, void> {
  const text = choicesOf(body)[0]?.message?.content
  if (!text) throw new ModelFault('it answered without a word')
  yield text
}

function choicesOf(json: string): z.infer<typeof choiceSchema>[] {
  const parsed = completionSchema.safeParse(parseJson(json))
  if (!parsed.success) throw new ModelFault('its answer is not of the chat completions API')
  if (parsed.data.error) throw new ModelFault('it reported an error')
  return parsed.data.choices ?? []
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // the schema refuses it
  }
}

/** Aborts when `broken` was not called for so long. */
function createSilence(most_ms: number) {
  const controller = new AbortController()
  const start = () => setTimeout(() => controller.abort(), most_ms)
  let timer = start()
  return {
    signal: controller.signal,
    broken: () => {
      clearTimeout(timer)
      timer = start()
    },
    end: () => clearTimeout(timer),
  }
}
