import { z } from 'zod'
import type { Hub, ToolDefinition } from '../../client/sdk/index.ts'
import { answerQuestion } from './answers/answer-question.ts'
import { FileRefused, type Folder } from './reading/folder.ts'
import type { PassageIndex } from './reading/passage-index.ts'
import type { ModelSettings } from './settings.ts'

/** Lines in one chunk of a stream, and in all. */
const CHUNK_LINES = 20
const MOST_LINES = 2_000
const DEFAULT_LINES = 200

const searchInput = z.object({
  query: z.string().min(1).max(2_000).describe('Words to look for'),
  limit: z.int().min(1).max(50).default(10).describe('How many passages at most'),
})

const readInput = z.object({
  file: z.string().min(1).max(1_000).describe('A name as search gives it, such as docs/guide.md'),
  from_line: z.int().min(1).default(1).describe('The first line, from 1'),
  to_line: z.int().min(1).optional().describe(`The last line; ${DEFAULT_LINES} lines when left out, ${MOST_LINES} at most`),
})

const answerInput = z.object({ question: z.string().min(1).max(100_000) })

export interface Desk {
  folder: Folder
  index: PassageIndex
  model: ModelSettings | undefined
}

/** What others may call: search, read and answer. */
export function nameTools(hub: Pick<Hub, 'tool'>, { folder, index, model }: Desk): void {
  hub.tool<z.infer<typeof searchInput>>({
    name: 'search',
    description: 'Full-text search. Gives {hits: [{file, first_line, last_line, score, text}]}, best first.',
    input: searchInput,
    run: async ({ query, limit }) => {
      const hits = await index.search(query, limit)
      return {
        hits: hits.map(({ passage: { file, first_line, last_line, lines }, score }) => ({
          ...{ file, first_line, last_line, score: Math.round(score * 1_000) / 1_000, text: lines.join('\n') },
        })),
      }
    },
  })
  hub.tool<z.infer<typeof readInput>>({
    name: 'read',
    description: 'Streams lines of a file. Gives {file, from_line, to_line, lines}: what was streamed, and how many lines the file has.',
    input: readInput,
    run: (input) => readLines(folder, input),
  })
  hub.tool<z.infer<typeof answerInput>>({
    name: 'answer',
    description: 'Answers a question about the files. Streams the answer; gives {answer, citations: [{file, line, text}], source, note?}.',
    input: answerInput,
    timeout_ms: 120_000,
    run: ({ question }, { signal }) => answerQuestion({ question, index, model, signal }),
  } satisfies ToolDefinition<z.infer<typeof answerInput>>)
}

async function* readLines(folder: Folder, { file, from_line, to_line }: z.infer<typeof readInput>): AsyncGenerator<string, object, void> {
  if (to_line !== undefined && to_line < from_line) throw new FileRefused(`to_line ${to_line} comes before from_line ${from_line}.`)
  const lines = await folder.lines(file)
  if (from_line > Math.max(lines.length, 1)) throw new FileRefused(`${JSON.stringify(file)} has ${lines.length} lines.`)
  const last = Math.min(to_line ?? from_line + DEFAULT_LINES - 1, from_line + MOST_LINES - 1, lines.length)
  for (let start = from_line; start <= last; start += CHUNK_LINES) {
    const end = Math.min(start + CHUNK_LINES - 1, last)
    yield `${lines.slice(start - 1, end).join('\n')}\n`
  }
  return { file, from_line, to_line: last, lines: lines.length }
}
