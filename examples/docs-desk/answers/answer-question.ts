import { logLine } from '../log-line.ts'
import type { PassageIndex } from '../reading/passage-index.ts'
import type { ModelSettings } from '../settings.ts'
import type { Answer } from './answer.ts'
import { ModelFault } from './complete.ts'
import { extractAnswer } from './extract-answer.ts'
import { modelAnswer } from './model-answer.ts'

const PASSAGES = 12

export interface Question {
  question: string
  index: PassageIndex
  model: ModelSettings | undefined
  signal: AbortSignal
}

/** Streams the answer's text and gives the answer with its citations: the model's, or without one (or a failing one) the files' own words. */
export async function* answerQuestion({ question, index, model, signal }: Question): AsyncGenerator<string, Answer, void> {
  const hits = await index.search(question, PASSAGES)
  const extracted = extractAnswer(question, hits, index.weightOf)
  if (model === undefined || hits.length === 0) {
    yield* linesOf(extracted.answer)
    return extracted
  }
  try {
    const answer = yield* modelAnswer(model, { question, hits, signal })
    // It named no place that holds: the files' own best lines then stand below its words.
    return answer.citations.length > 0 ? answer : { ...answer, citations: extracted.citations.slice(0, 2) }
  } catch (thrown) {
    if (!(thrown instanceof ModelFault)) throw thrown
    const note = `the model was of no help (${thrown.message}), so these are sentences from the files.`
    logLine('warn', 'The model failed; answering from the files', { detail: thrown.message })
    yield `\n\n(${note})\n\n`
    yield* linesOf(extracted.answer)
    return { ...extracted, note }
  }
}

function* linesOf(text: string): Generator<string, void, void> {
  yield* text.split(/(?<=\n)/)
}
