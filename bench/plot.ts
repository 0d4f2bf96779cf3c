import type { Line, Spread } from './rounds.ts'

const [LEFT, WIDTH, ROW, TOP] = [400, 1_000, 26, 64]
const [LEAST, MOST] = [0.1, 100]

/** The ratios as bars on a logarithmic scale: right of the line at 1 Parley is ahead, and the whisker is the spread of the rounds. */
export function plot(lines: readonly Line[], words: string): string {
  const bars = lines.flatMap((line) => [
    ...(line.wall ? [{ line, what: 'wall', spread: line.wall }] : []),
    ...(line.cpu && !Number.isNaN(line.cpu.median) ? [{ line, what: 'CPU', spread: line.cpu }] : []),
  ])
  const height = TOP + bars.length * ROW + 60
  const ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="system-ui, sans-serif" font-size="12">`,
    '<title>Parley against its baselines</title>',
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    '<text x="16" y="26" font-size="17" font-weight="600" fill="#17202a">Parley against its baselines, in one run each (1 = as fast; right is better)</text>',
    `<text x="16" y="46" fill="#5d6d7e">${escaped(words)}. Bar: median of the rounds; whisker: least and most.</text>`,
    ...ticks.map(
      (tick) =>
        `<line x1="${x(tick)}" x2="${x(tick)}" y1="${TOP}" y2="${height - 50}" stroke="${tick === 1 ? '#17202a' : '#e5e8eb'}" stroke-width="${tick === 1 ? 1.5 : 1}"/>` +
        `<text x="${x(tick)}" y="${height - 34}" text-anchor="middle" fill="#5d6d7e">${tick}×</text>`,
    ),
    ...bars.map((bar, at) => barOf(bar, TOP + at * ROW)),
    `<rect x="16" y="${height - 22}" width="12" height="10" fill="#2471a3"/><text x="33" y="${height - 13}" fill="#17202a">work per second</text>`,
    `<rect x="140" y="${height - 22}" width="12" height="10" fill="#af7ac5"/><text x="157" y="${height - 13}" fill="#17202a">work per CPU time of the server</text>`,
    '</svg>',
    '',
  ].join('\n')
}

function barOf({ line, what, spread }: { line: Line; what: string; spread: Spread }, y: number): string {
  const [from, to] = [x(1), x(spread.median)]
  const label =
    what === 'wall' ? `${line.row} ${line.work}, ${line.outstanding} out: ${line.candidate.name} / ${line.baseline?.name ?? ''}` : ''
  const middle = y + ROW / 2
  const end = Math.max(to, x(spread.most), from) + 6
  return [
    `<text x="${LEFT - 10}" y="${middle + 4}" text-anchor="end" font-size="10.5" fill="#17202a">${escaped(label)}</text>`,
    `<rect x="${Math.min(from, to)}" y="${y + 5}" width="${Math.max(Math.abs(to - from), 1)}" height="${ROW - 10}" fill="${what === 'wall' ? '#2471a3' : '#af7ac5'}"/>`,
    `<line x1="${x(spread.least)}" x2="${x(spread.most)}" y1="${middle}" y2="${middle}" stroke="#17202a"/>`,
    `<text x="${end}" y="${middle + 4}" fill="#17202a">${spread.median.toFixed(2)}×${line.target && what === 'wall' ? (line.met ? ' ✓' : ' (target missed)') : ''}</text>`,
  ].join('')
}

function x(value: number): number {
  const bounded = Math.min(Math.max(value, LEAST), MOST)
  const share = Math.log(bounded / LEAST) / Math.log(MOST / LEAST)
  return Math.round((LEFT + share * (WIDTH - LEFT - 110)) * 10) / 10
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
