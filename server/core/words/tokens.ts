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
  return some(runsOf(wordsOf(text), charactersAndPairsOf))
}

/** The tokens that an event must hold to be what is asked for. None for a question without a word. */
export function tokensAsked(question: string): string[] {
  return some(runsOf(wordsOf(question), pairsOrRunOf))
}

/** Each once: a long text says most of its words often. */
function wordsOf(text: string): Set<string> {
  const plain = text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
  return new Set(plain.match(WORD))
}

/** The words, and what is made of the runs of scripts without spaces in them. One by one, for not all of a long text may be wanted. */
function* runsOf(words: Iterable<string>, takeApart: (run: string) => Iterable<string>): Iterable<string> {
  for (const word of words) {
    for (const [run] of word.matchAll(RUN)) {
      if (IS_UNSPACED.test(run)) yield* takeApart(run)
      else yield run
    }
  }
}

function* charactersAndPairsOf(run: string): Iterable<string> {
  yield* run
  yield* pairsOf(run)
}

function* pairsOrRunOf(run: string): Iterable<string> {
  let pairs = 0
  for (const pair of pairsOf(run)) {
    pairs++
    yield pair
  }
  if (pairs === 0) yield run
}

/** Where a word ends in such a script no two dictionaries agree on; pairs of neighbours are the same for all. */
function* pairsOf(run: string): Iterable<string> {
  let first: string | undefined
  for (const second of run) {
    if (first !== undefined) yield `${first}${second}`
    first = second
  }
}

/** Stops at the most that an event is found by. */
function some(tokens: Iterable<string>): string[] {
  const found = new Set<string>()
  for (const token of tokens) {
    found.add(token.slice(0, LONGEST_TOKEN))
    if (found.size >= MOST_TOKENS) break
  }
  return [...found]
}
