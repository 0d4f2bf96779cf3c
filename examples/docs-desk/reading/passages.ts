/** A stretch of a file that belongs together: a paragraph, a list, a table, a piece of code. */
export interface Passage {
  file: string
  /** From 1, like `last_line`. */
  first_line: number
  last_line: number
  /** The headings above it, outermost first. */
  heading: string
  kind: 'text' | 'heading' | 'code'
  /** The lines as they stand in the file. */
  lines: string[]
}

/** Longer stretches are cut, so that a hit shows where in the file it is. */
const MOST_LINES = 24
const HEADING = /^ {0,3}(#{1,6})\s+(.+?)\s*#*\s*$/
const FENCE = /^\s*(```|~~~)/

/** Cuts a file into passages, Markdown and plain text alike. */
export function passagesOf(file: string, lines: readonly string[]): Passage[] {
  const passages: Passage[] = []
  const headings: string[] = []
  let open: Passage | undefined
  let fence: string | undefined

  const close = () => {
    if (open?.lines.some((line) => /[\p{L}\p{N}]/u.test(line))) passages.push(open)
    open = undefined
  }
  const add = (line: string, number: number, kind: Passage['kind']) => {
    if (open !== undefined && (open.kind !== kind || open.lines.length >= MOST_LINES)) close()
    open ??= { file, first_line: number, last_line: number, heading: headings.filter(Boolean).join(' › '), kind, lines: [] }
    open.lines.push(line)
    open.last_line = number
  }

  for (const [index, line] of lines.entries()) {
    const number = index + 1
    const [, mark] = FENCE.exec(line) ?? []
    const [, hashes, title] = HEADING.exec(line) ?? []
    if (mark !== undefined && (fence === undefined || fence === mark)) {
      fence = fence === undefined ? mark : undefined
      close()
    } else if (fence !== undefined) {
      add(line, number, 'code')
    } else if (hashes !== undefined && title !== undefined) {
      close()
      headings.splice(hashes.length - 1, headings.length, ...Array(Math.max(0, hashes.length - 1 - headings.length)).fill(''), title)
      add(line, number, 'heading')
      close()
    } else if (line.trim() === '') {
      close()
    } else {
      add(line, number, 'text')
    }
  }
  close()
  return passages
}
