let last_ms = 0
let counter = 0

/**
 * A UUIDv7 (RFC 9562) that is greater than every one made before by this process, also within a millisecond and when the clock is
 * set back. `crypto.randomUUID` sorts by nothing and is missing on pages without https.
 */
export function uuid7(now_ms: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(10))
  if (now_ms > last_ms) {
    last_ms = now_ms
    // Starts in the lower half, so that there is room to count up.
    counter = ((bytes[0] ?? 0) << 3) | ((bytes[1] ?? 0) & 7)
  } else if (++counter > 0xfff) {
    last_ms += 1
    counter = 0
  }
  const time = last_ms.toString(16).padStart(12, '0')
  const variant = (((bytes[2] ?? 0) & 0x3f) | 0x80).toString(16)
  const rest = Array.from(bytes.subarray(3), (byte) => byte.toString(16).padStart(2, '0')).join('')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, '0')}-${variant}${rest.slice(0, 2)}-${rest.slice(2)}`
}
