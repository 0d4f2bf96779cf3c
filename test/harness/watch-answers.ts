import { subscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { createJudge, type Document } from './judge-answers.ts'

const ports = new Set<number>()
/** Each with the test in which it was seen first. */
const faults = new Map<string, string>()
let judge: ReturnType<typeof createJudge> | undefined
let current = 'outside of a test'

/**
 * From here on everything that the hub answers over HTTP, to whichever test, is held against what its `/openapi.json` says: the status, the
 * type, the headers that it names, and the body. What does not fit fails the run in its end, with the test in which it was answered.
 */
export async function watchAnswers({ url }: { url: string }): Promise<() => void> {
  const port = Number(new URL(url).port)
  // Of one tree all hubs have one document.
  judge ??= createJudge((await (await fetch(`${url}/openapi.json`)).json()) as Document)
  ports.add(port)
  return () => ports.delete(port)
}

export function noteTest(title: string | undefined): void {
  current = title ?? 'outside of a test'
}

/** Throws with all that did not fit. */
export function requireFitting(): void {
  if (faults.size === 0) return
  const lines = [...faults].map(([fault, test]) => `  ${fault}\n    in: ${test}`)
  const fix = 'mend what answered, or its row in shared/protocol/http'
  throw new Error(`answers that /openapi.json does not tell of; ${fix}:\n${lines.join('\n')}`)
}

subscribe('http.server.request.start', (message) => {
  const { request, response, socket } = message as { request: IncomingMessage; response: ServerResponse; socket: Socket }
  const path = request.url?.split('?')[0] ?? ''
  if (!ports.has(socket.localPort ?? 0) || path.startsWith('/socket.io/')) return
  const bodyOf = keepBody(response)
  const test = current
  response.once('finish', () => {
    const answered = { method: request.method ?? '', path, status: response.statusCode, headers: response.getHeaders(), body: bodyOf() }
    for (const fault of judge?.(answered) ?? []) {
      if (!faults.has(fault)) faults.set(fault, test)
    }
  })
})

/** Says in the end what was written. */
function keepBody(response: ServerResponse): () => string {
  const pieces: Buffer[] = []
  const keep = (piece: unknown) => {
    if (typeof piece === 'string') pieces.push(Buffer.from(piece))
    else if (piece instanceof Uint8Array) pieces.push(Buffer.from(piece))
  }
  const { write, end } = response
  response.write = ((...args: Parameters<typeof write>) => {
    keep(args[0])
    return write.apply(response, args)
  }) as typeof write
  response.end = ((...args: Parameters<typeof end>) => {
    keep(args[0])
    return end.apply(response, args)
  }) as typeof end
  return () => Buffer.concat(pieces).toString()
}
