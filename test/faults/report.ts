import { availableParallelism } from 'node:os'
import type { Outcome } from './run-row.ts'

export interface Line {
  name: string
  what: string
  outcomes: readonly Outcome[]
}

const HEAD = ['fault', 'seeds', 'frames acknowledged', 'calls', 'lost', 'twice', 'other', 'first acknowledgement, ms', 'all caught up, ms']

/** One table, a line for each row of the matrix; times are medians, and the largest in brackets. */
export function tableOf(lines: readonly Line[]): string {
  const rows = lines.map(({ what, outcomes }) => [
    what,
    String(outcomes.length),
    ...(['acked', 'calls', 'lost', 'twice', 'other'] as const).map((part) => count(outcomes, part).toLocaleString('en')),
    timesOf(outcomes.flatMap(({ recovery }) => recovery?.first_ms ?? [])),
    timesOf(outcomes.flatMap(({ recovery }) => recovery?.all_ms ?? [])),
  ])
  const widths = HEAD.map((head, at) => Math.max(head.length, ...rows.map((row) => row[at]?.length ?? 0)))
  const line = (cells: readonly string[]) => `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return [line(HEAD), rule, ...rows.map(line)].join('\n')
}

/** Where it ran, for whoever compares numbers. */
export function machine(): string {
  return `${availableParallelism()} cores, Node ${process.version}, ${process.platform}`
}

/** What to type to see it again. */
export function repeat(name: string, seed: number): string {
  return `npm run faults -- --only ${name} --seeds 1 --seed ${seed}`
}

function count(outcomes: readonly Outcome[], part: 'acked' | 'calls' | 'lost' | 'twice' | 'other'): number {
  return outcomes.reduce((sum, outcome) => {
    const value = outcome[part]
    return sum + (typeof value === 'number' ? value : value.length)
  }, 0)
}

function timesOf(times: number[]): string {
  if (times.length === 0) return '–'
  const sorted = times.toSorted((a, b) => a - b)
  const [low = 0, high = 0] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]]
  const [median, most] = [(low + high) / 2, sorted.at(-1) ?? 0].map((ms) => Math.round(ms).toLocaleString('en'))
  return `${median} (${most})`
}
