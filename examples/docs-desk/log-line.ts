/** Writes one JSON line to standard error; standard output is for the ready line. `detail` and `fix` are what scripts/start quotes. */
export function logLine(level: 'info' | 'warn' | 'error', message: string, details: Record<string, unknown> = {}): void {
  process.stderr.write(`${JSON.stringify({ level, at: new Date().toISOString(), message, details })}\n`)
}
