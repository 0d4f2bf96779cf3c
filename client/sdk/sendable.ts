import { ownRefusal, toError } from './refused-error.ts'

/** No hub may be set to take more: it ends a connection that brings it, and the same frame sent again would end the next one. */
const MOST_BYTES = 900_000

/**
 * The payload as JSON has it now, so that it is the same whenever it is sent. Throws FRAME_INVALID for what is no JSON, and
 * FRAME_TOO_LARGE for what no hub takes: neither could ever be answered.
 */
export function sendable<T>(payload: T): T {
  let text: string
  try {
    text = JSON.stringify(payload)
  } catch (thrown) {
    throw ownRefusal('FRAME_INVALID', toError(thrown).message, { cause: thrown })
  }
  const bytes = new TextEncoder().encode(text).length
  if (bytes > MOST_BYTES) throw ownRefusal('FRAME_TOO_LARGE', `The payload has ${bytes} bytes`)
  return JSON.parse(text)
}
