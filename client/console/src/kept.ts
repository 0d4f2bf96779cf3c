const PREFIX = 'parley.console.'

/** Small values that survive a reload in this browser. A browser that stores nothing costs the safety net, not the page. */
export function keep(name: string, value: unknown): void {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value))
  } catch {
    // Full, or forbidden.
  }
}

export function kept(name: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name) ?? 'null')
  } catch {
    // Forbidden, or not ours.
    return null
  }
}

export function forget(name: string): void {
  try {
    localStorage.removeItem(PREFIX + name)
  } catch {
    // Forbidden: then there is nothing to forget.
  }
}

/** The names under which something is kept that begin so. */
export function keptUnder(start: string): string[] {
  try {
    const names = Object.keys(localStorage).filter((name) => name.startsWith(PREFIX + start))
    return names.map((name) => name.slice(PREFIX.length))
  } catch {
    // Forbidden: then there is nothing.
    return []
  }
}
