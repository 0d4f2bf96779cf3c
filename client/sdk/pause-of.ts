/** The pause that an answer's `Retry-After` asks for (RFC 9110, 10.2.3), seconds or a moment, in milliseconds; undefined where there is none. */
export function pauseOf(header: string | null): number | undefined {
  const seconds = Number(header)
  const ms = Number.isNaN(seconds) ? Date.parse(String(header)) - Date.now() : seconds * 1_000
  return header === null || Number.isNaN(ms) ? undefined : Math.max(ms, 0)
}
