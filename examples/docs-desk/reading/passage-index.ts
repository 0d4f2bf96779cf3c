import { createHash } from 'node:crypto'
import MiniSearch from 'minisearch'
import { logLine } from '../log-line.ts'
import { FileRefused, type Folder, type FoundFile } from './folder.ts'
import { type Passage, passagesOf } from './passages.ts'
import { termsOf } from './terms.ts'

/** Of a file that is kept for checking: it says the same in fewer words, or what nobody asks. */
const AS_REFERENCE = 0.5

export interface Hit {
  passage: Passage
  /** How much of a place its file gives it: 1, or less. */
  weight: number
  score: number
  /** The words of the passage that met the query, as `termsOf` gives them. */
  terms: string[]
}

interface IndexedFile {
  stamp: string
  isSettled: boolean
  hash: string
  ids: number[]
}

/** Words beyond these add time and nothing else. */
const MOST_QUERY_TERMS = 64

/** The passages of a folder's files, searched by full text. It looks at the folder before each answer, so it is never behind. */
export interface PassageIndex {
  search(query: string, limit: number): Promise<Hit[]>
  /** How much meeting this word tells: 0 for none, more the rarer it is. */
  weightOf(term: string): number
  /** Takes in what changed. Resolves when all that was written before the call is found. */
  refresh(): Promise<void>
  count(): { files: number; passages: number }
}

export function createPassageIndex(folder: Folder): PassageIndex {
  const files = new Map<string, IndexedFile>()
  const passages = new Map<number, Passage>()
  /** In how many passages each word stands. */
  const spread = new Map<string, number>()
  const engine = createEngine((term) => (spread.get(term) ?? 0) > 0)
  let last_id = 0
  let running: Promise<void> | undefined
  let next: Promise<void> | undefined

  /** One at a time, and one that began before the question may have passed the file already: then another follows it. */
  function refresh(): Promise<void> {
    next ??= (running ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => {
        next = undefined
        running = takeIn()
        return running
      })
    return next
  }

  async function takeIn(): Promise<void> {
    const found = await folder.list()
    const names = new Set(found.map(({ file }) => file))
    for (const file of [...files.keys()]) if (!names.has(file)) drop(file)
    for (const one of found) await look(one)
  }

  async function look({ file, stamp, isSettled }: FoundFile): Promise<void> {
    const known = files.get(file)
    if (known?.stamp === stamp && known.isSettled) return
    const lines = await readable(file)
    const hash = createHash('sha256').update(lines.join('\n')).digest('hex')
    if (known?.hash === hash) {
      files.set(file, { ...known, stamp, isSettled })
      return
    }
    drop(file)
    files.set(file, { stamp, isSettled, hash, ids: passagesOf(file, lines).map(add) })
  }

  /** No lines for what is not text: it is remembered, so that it is not read again and again. */
  async function readable(file: string): Promise<string[]> {
    try {
      return await folder.lines(file)
    } catch (thrown) {
      if (!(thrown instanceof FileRefused)) logLine('warn', 'A file could not be read', { file, detail: String(thrown) })
      return []
    }
  }

  function add(passage: Passage): number {
    const id = ++last_id
    passages.set(id, passage)
    engine.add({ id, ...searchedOf(passage) })
    for (const term of termsIn(passage)) spread.set(term, (spread.get(term) ?? 0) + 1)
    return id
  }

  function drop(file: string): void {
    for (const id of files.get(file)?.ids ?? []) {
      const passage = passages.get(id)
      passages.delete(id)
      engine.discard(id)
      for (const term of passage === undefined ? [] : termsIn(passage)) spread.set(term, (spread.get(term) ?? 1) - 1)
    }
    files.delete(file)
  }

  return {
    refresh,
    count: () => ({ files: files.size, passages: passages.size }),
    weightOf(term) {
      const holding = spread.get(term) ?? 0
      return Math.log(1 + (passages.size - holding + 0.5) / (holding + 0.5))
    },
    async search(query, limit) {
      await refresh()
      const terms = [...new Set(termsOf(query))].slice(0, MOST_QUERY_TERMS)
      const found = terms.length === 0 ? [] : engine.search(terms.join(' '))
      const hits = found.flatMap(({ id, score, terms: met }) => {
        const passage = passages.get(id)
        if (passage === undefined) return []
        const weight = folder.isReference(passage.file) ? AS_REFERENCE : 1
        return [{ passage, weight, score: score * weight, terms: met }]
      })
      return hits.toSorted((a, b) => b.score - a.score).slice(0, limit)
    },
  }
}

function createEngine(isKnown: (term: string) => boolean): MiniSearch<{ id: number; text: string; heading: string; file: string }> {
  return new MiniSearch({
    fields: ['text', 'heading', 'file'],
    tokenize: termsOf,
    // `termsOf` did it.
    processTerm: (term) => term,
    searchOptions: {
      tokenize: (query) => query.split(' '),
      boost: { heading: 0.6, file: 0.4 },
      prefix: (term) => term.length > 3,
      // A word that stands in the files is meant as it is.
      fuzzy: (term) => (term.length > 5 && !isKnown(term) ? 0.2 : false),
      weights: { prefix: 0.4, fuzzy: 0.25 },
    },
  })
}

const searchedOf = ({ lines, heading, file }: Passage) => ({ text: lines.join('\n'), heading, file })

const termsIn = (passage: Passage): Set<string> => new Set(termsOf(Object.values(searchedOf(passage)).join('\n')))
