import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { errors, ParleyError } from '../../../shared/protocol/index.ts'
import { problemOf } from '../problem.ts'
import { newTraceId } from './correlate.ts'

const REASONS: Record<number, string> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  417: 'Expectation Failed',
  431: 'Request Header Fields Too Large',
}

const LINGER_MS = 2_000

/** What Node refuses before there is a request (RFC 9112): too large a header, too slow a sender, no HTTP at all. */
export function answerBrokenRequests(server: Server, { dev_mode }: { dev_mode: boolean }): void {
  const underWay = new WeakMap<Socket, ServerResponse>()
  const answered = new WeakSet<Socket>()

  /** Goes on reading for a moment: a connection that is closed over unread bytes is reset, and the answer lost with it. */
  function end(socket: Socket, error: ParleyError): void {
    answered.add(socket)
    socket.end(rawProblem(error, { dev_mode }))
    setTimeout(() => socket.destroy(), LINGER_MS).unref()
  }

  server.prependListener('request', (request, response) => underWay.set(request.socket, response))
  server.on('clientError', (error: NodeJS.ErrnoException, stream) => {
    const socket = stream as Socket
    if (answered.has(socket)) return
    const response = underWay.get(socket)
    // In the middle of an answer a second one would be read as a part of it.
    const isInAnswer = response?.headersSent === true && !response.writableFinished
    if (error.code === 'ECONNRESET' || !socket.writable || isInAnswer) {
      socket.destroy()
      return
    }
    end(socket, refusalOf(error))
  })
  server.on('checkExpectation', (request) => {
    end(request.socket, new ParleyError('EXPECTATION_FAILED'))
  })
}

function refusalOf({ code }: NodeJS.ErrnoException): ParleyError {
  if (code === 'HPE_HEADER_OVERFLOW') return new ParleyError('HEADERS_TOO_LARGE')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new ParleyError('REQUEST_TOO_SLOW')
  return new ParleyError('REQUEST_INVALID', { errors: [{ pointer: '', detail: 'the bytes are no HTTP request' }] })
}

/** A whole answer as bytes, for there is no response object to write it with. */
function rawProblem(error: ParleyError, { dev_mode }: { dev_mode: boolean }): string {
  const { status } = errors[error.code]
  const correlation_id = newTraceId()
  const body = JSON.stringify(problemOf(error.toRefusal(correlation_id), { status, instance: '/' }))
  const head = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? ''}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Correlation-Id: ${correlation_id}`,
    'X-Content-Type-Options: nosniff',
    ...(dev_mode ? ['X-Dev-Mode: true'] : []),
    'Connection: close',
  ]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}
