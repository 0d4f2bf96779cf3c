// Enough for a long message; a hostile one must not make an index entry a megabyte long.
const MOST_TOKENS = 1_000
const LONGEST_TOKEN = 64

/** The words of a text as search sees them: lower case, without accents, each once. The same rule reads what was written and what is asked. */
export function tokensOf(text: string): string[] {
  const words = text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .match(/[\p{L}\p{N}]+/gu)
  return [...new Set((words ?? []).map((word) => word.slice(0, LONGEST_TOKEN)))].slice(0, MOST_TOKENS)
}
