/**
 * Characters that move or hide other characters: bidi controls, which let a text read otherwise than it is, and controls without a
 * shape. Tab and line feed have their use; the joiners of emoji and of some scripts do too.
 */
const HIDDEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu

export type TextPart = { text: string } | { hidden: string }

/** The text in parts, with every hidden character named by its code point. */
export function partsOf(text: string): TextPart[] {
  const parts: TextPart[] = []
  let from = 0
  for (const { 0: found, index } of text.matchAll(HIDDEN)) {
    // A line that ends as on Windows is no trick.
    if (found === '\r' && text[index + 1] === '\n') continue
    if (index > from) parts.push({ text: text.slice(from, index) })
    parts.push({ hidden: codePointName(found) })
    from = index + found.length
  }
  if (from < text.length) parts.push({ text: text.slice(from) })
  return parts
}

/** The same as one plain text, for attributes and titles. */
export function plainText(text: string): string {
  return partsOf(text)
    .map((part) => ('text' in part ? part.text : `[${part.hidden}]`))
    .join('')
}

export function codePointName(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`
}

export interface Cut {
  shown: string
  isCut: boolean
}

/** The first or the last of a long text: so many lines and characters at most. */
export function cutText(text: string, { lines, characters, keep }: { lines: number; characters: number; keep: 'first' | 'last' }): Cut {
  const rough = keep === 'first' ? text.slice(0, characters) : text.slice(-characters)
  const all = rough.split('\n')
  const some = keep === 'first' ? all.slice(0, lines) : all.slice(-lines)
  const shown = some.join('\n')
  return { shown, isCut: shown.length < text.length }
}

export function oneLine(text: string, characters: number): string {
  const line = text
    .slice(0, characters * 2)
    .replace(/\s+/g, ' ')
    .trim()
  return line.length > characters ? `${line.slice(0, characters - 1)}…` : line
}

/** A name inside of a sentence, a label or a title. */
export function plainName(name: string): string {
  return plainText(oneLine(name, 60))
}

/** A JSON value in one line; cheap for large ones. */
export function jsonLine(value: unknown, characters: number): string {
  if (value === undefined) return ''
  if (typeof value === 'string') return oneLine(value, characters)
  return oneLine(JSON.stringify(value) ?? '', characters)
}

export function jsonText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value, null, 2) ?? '')
}

export function sizeName(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(bytes < 10_000 ? 1 : 0)} KB`
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}
