import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

export interface ModelRequest {
  path: string
  authorization: string | undefined
  body: { model: string; stream: boolean; messages: { role: string; content: string }[] }
}

export interface ModelStandIn {
  /** As DOCS_DESK_MODEL_URL wants it. */
  url: string
  requests: ModelRequest[]
  /** What it does with requests from now on. */
  behave(how: (response: ServerResponse, request: ModelRequest) => void | Promise<void>): void
  close(): Promise<void>
}

/** A tiny server that speaks as much of the chat completions API as the desk needs. */
export async function startModel(): Promise<ModelStandIn> {
  const requests: ModelRequest[] = []
  let behave: Parameters<ModelStandIn['behave']>[0] = (response) => void response.writeHead(500).end()
  const server = createServer((request, response) => {
    void read(request).then((body) => {
      const seen = { path: request.url ?? '', authorization: request.headers.authorization, body: JSON.parse(body) }
      requests.push(seen)
      return behave(response, seen)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}/v1`,
    requests,
    behave: (how) => {
      behave = how
    },
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function read(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts).toString()
}

/** One piece of a streamed completion, as it goes over the line. */
export function delta(content: string): string {
  return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`
}

export const DONE = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'

export function openStream(response: ServerResponse): ServerResponse {
  return response.writeHead(200, { 'content-type': 'text/event-stream' })
}

/** Sends each byte in a write of its own, so that characters, lines and events arrive cut. */
export async function sendByteByByte(response: ServerResponse, text: string): Promise<void> {
  response.socket?.setNoDelay(true)
  for (const byte of Buffer.from(text)) {
    await new Promise<void>((resolve) => response.write(Buffer.of(byte), () => resolve()))
  }
}
