// Enough for a long message, in a script without spaces too; a hostile one must not make an index entry a megabyte long.
const MOST_TOKENS = 3_000
const LONGEST_TOKEN = 64

// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant
const IS_PLAIN = /^[\x00-\x7f]*$/
const PLAIN_WORD = /[a-z0-9]+/g
const WORD = /[\p{L}\p{N}]+/gu
/** Chinese, Japanese, Thai, Lao, Khmer and Burmese put no space between words. */
const UNSPACED = '\\p{scx=Han}\\p{scx=Hira}\\p{scx=Kana}\\p{scx=Thai}\\p{scx=Laoo}\\p{scx=Khmr}\\p{scx=Mymr}'
const RUN = new RegExp(`[${UNSPACED}]+|[^${UNSPACED}]+`, 'gu')
const IS_UNSPACED = new RegExp(`^[${UNSPACED}]`, 'u')

/** The words of a text as search knows them: lower case, without accents, each once; and of scripts without spaces, characters and pairs. */
export function tokensOf(text: string): string[] {
  // Most text is plain, and then half of the work is for nothing.
  if (IS_PLAIN.test(text)) return some(text.toLowerCase().match(PLAIN_WORD) ?? [])
  return some(runsOf(wordsOf(text), (run) => [...run, ...pairsOf(run)]))
}

/** The tokens that an event must hold to be what is asked for. None for a question without a word. */
export function tokensAsked(question: string): string[] {
  return some(runsOf(wordsOf(question), (run) => (pairsOf(run).length > 0 ? pairsOf(run) : [run])))
}

function wordsOf(text: string): string[] {
  return (
    text
      .normalize('NFKD')
      .replace(/\p{M}+/gu, '')
      .toLowerCase()
      .match(WORD) ?? []
  )
}

/** The words, and what is made of the runs of scripts without spaces in them. */
function runsOf(words: readonly string[], takeApart: (run: string) => string[]): string[] {
  return words.flatMap((word) => (word.match(RUN) ?? []).flatMap((run) => (IS_UNSPACED.test(run) ? takeApart(run) : run)))
}

/** Where a word ends in such a script no two dictionaries agree on; pairs of neighbours are the same for all. */
function pairsOf(run: string): string[] {
  const characters = [...run]
  return characters.slice(1).map((second, at) => `${characters[at]}${second}`)
}

function some(tokens: readonly string[]): string[] {
  return [...new Set(tokens.map((token) => token.slice(0, LONGEST_TOKEN)))].slice(0, MOST_TOKENS)
}
