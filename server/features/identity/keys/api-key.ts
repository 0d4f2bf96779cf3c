import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
// 62^43 > 2^256.
const SECRET_CHARS = 43
// 62^6 > 2^32.
const CHECK_CHARS = 6
// The largest multiple of 62 in a byte: what lies above would make the first characters likelier.
const FAIR_BYTES = 248
const SHAPE = /^pk_agent_(live|dev)_[0-9A-Za-z]{49}$/
const SHOWN_SECRET_CHARS = 4

export interface NewApiKey {
  text: string
  /** The beginning and the end, by which a person knows which key it is. */
  prefix: string
  last4: string
}

/** `pk_agent_{live|dev}_`, 43 random base62 characters, and the CRC-32 of all that in 6 more. */
export function newApiKey({ dev_mode }: { dev_mode: boolean }): NewApiKey {
  const start = startOf(dev_mode)
  const body = start + randomBase62(SECRET_CHARS)
  const text = body + checkOf(body)
  return { text, prefix: text.slice(0, start.length + SHOWN_SECRET_CHARS), last4: text.slice(-4) }
}

/** Whether it can be a key of this hub, told without a database: a slip of the keyboard, or a development key in production, cannot. */
export function looksLikeApiKey(text: string, { dev_mode }: { dev_mode: boolean }): boolean {
  if (!SHAPE.test(text) || !text.startsWith(startOf(dev_mode))) return false
  return checkOf(text.slice(0, -CHECK_CHARS)) === text.slice(-CHECK_CHARS)
}

function startOf(dev_mode: boolean): string {
  return dev_mode ? 'pk_agent_dev_' : 'pk_agent_live_'
}

function checkOf(body: string): string {
  let rest = crc32(body)
  let text = ''
  for (let place = 0; place < CHECK_CHARS; place += 1) {
    text = ALPHABET.charAt(rest % ALPHABET.length) + text
    rest = Math.floor(rest / ALPHABET.length)
  }
  return text
}

function randomBase62(length: number): string {
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length)) if (byte < FAIR_BYTES) text += ALPHABET.charAt(byte % ALPHABET.length)
  }
  return text.slice(0, length)
}
