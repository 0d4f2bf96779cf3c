import { arch, cpus, platform, totalmem } from 'node:os'
import type { Figure, Line, Spread } from './rounds.ts'

/** The machine in words: enough to judge the numbers, and no name of it. */
export function machine(): string {
  const [first] = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${cpus().length} cores (${first?.model.trim() ?? 'unknown'}), ${memory} GB, ${platform()} ${arch()}, Node ${process.versions.node}`
}

const HEAD = [
  'row',
  'work',
  'outstanding per room',
  'candidate',
  'baseline',
  'unit',
  'candidate',
  'baseline',
  'wall ×',
  'CPU µs',
  'base µs',
  'CPU ×',
  'ack p50/p99 ms',
  'generator',
  'target',
  'met',
  'note',
]

/** The table as Markdown, so that it can be read here and pasted there. */
export function table(lines: readonly Line[]): string {
  const rows = [HEAD, ...lines.map(cellsOf)]
  const widths = HEAD.map((_, at) => Math.max(...rows.map((row) => [...(row[at] ?? '')].length)))
  const text = rows.map((row) => `| ${row.map((cell, at) => cell + ' '.repeat((widths[at] ?? 0) - [...cell].length)).join(' | ')} |`)
  text.splice(1, 0, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`)
  return text.join('\n')
}

/** What was to be reached, and what was. */
export function targets(lines: readonly Line[]): string {
  const rows = lines.flatMap((line) => {
    if (line.target === undefined) return []
    const cells = cellsOf(line)
    const measured = HEAD.flatMap((name, at) => (MEASURED.has(name) && cells[at] !== '–' && cells[at] !== '' ? `${name} ${cells[at]}` : []))
    const against = line.baseline === undefined ? '' : `, against ${line.baseline.name}`
    const outstanding = /^\d+$/.test(line.outstanding) ? `, ${line.outstanding} outstanding` : ''
    return `| ${line.row} | ${line.work}${outstanding}${against} | ${line.target} | ${measured.join(', ')} | ${line.met ? 'yes' : 'no'} |`
  })
  return ['| row | work | target | measured | met |', '| --- | --- | --- | --- | --- |', ...rows].join('\n')
}

const MEASURED = new Set(['wall ×', 'CPU ×', 'ack p50/p99 ms', 'note'])

function cellsOf(line: Line): string[] {
  const { candidate, baseline, wall, cpu, generator_cpu, target, met, note } = line
  return [
    ...[line.row, line.work, line.outstanding, candidate.name, baseline?.name ?? '–', line.unit],
    ...[amount(candidate.value), baseline ? amount(baseline.value) : '–', ratio(wall), micros(candidate), micros(baseline), ratio(cpu)],
    candidate.ack_ms ? `${candidate.ack_ms.p50.toFixed(1)} / ${candidate.ack_ms.p99.toFixed(1)}` : '–',
    generator_cpu === undefined ? '–' : `${Math.round(generator_cpu * 100)} %`,
    ...[target ?? '', met === undefined ? '' : met ? 'yes' : 'no', note ?? ''],
  ]
}

function amount({ median }: Spread): string {
  if (Number.isNaN(median)) return '–'
  return median >= 1_000 ? Math.round(median).toLocaleString('en') : median.toFixed(median >= 100 ? 0 : 2)
}

function ratio(spread: Spread | undefined): string {
  if (spread === undefined || Number.isNaN(spread.median)) return '–'
  const { median, least, most } = spread
  return least === most ? median.toFixed(2) : `${median.toFixed(2)} (${least.toFixed(2)}–${most.toFixed(2)})`
}

function micros(figure: Figure | undefined): string {
  const median = figure?.cpu_us?.median
  return median === undefined || Number.isNaN(median) ? '–' : median.toFixed(1)
}
