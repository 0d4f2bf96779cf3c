import type { Hit, PassageIndex } from '../reading/passage-index.ts'
import { type Sentence, sentencesOf } from '../reading/sentences.ts'
import { termsOf } from '../reading/terms.ts'
import type { Answer, Citation } from './answer.ts'

const MOST_SENTENCES = 4
const MOST_UNITS = 500
/** A sentence that meets less of what the question is about is no answer to it. */
const LEAST_SHARE = 0.25
/** A further sentence must be about as much of the question as half of the first one is, and add so much to it. */
const LEAST_OF_FIRST = 0.5
const LEAST_NEWS = 0.4
/** A word that the question's word only begins, or nearly is. */
const NEAR = 0.5
const IN_HEADING = 0.4
/** A heading names a subject and says nothing about it; code shows and does not tell. */
const kinds = { text: 1, heading: 0.25, code: 0.5 }
/** A question in the files is hardly the answer to another. */
const AS_QUESTION = 0.4
/** A row of names and shapes shows, like code, and does not tell. */
const AS_CODE = 0.4
/** A row of a glossary whose word is all that is asked about. */
const AS_DEFINITION = 1.6
const USUAL_TERMS = 14

export const NOTHING_FOUND = 'I found nothing about that in the files.'

interface Candidate extends Sentence {
  citation: Citation
  /** What it meets of the question, by word. */
  met: Map<string, number>
  terms: Set<string>
  factor: number
}

/** The sentences of the passages that say most about the question, each with its place, best first. */
export function extractAnswer(question: string, hits: readonly Hit[], weightOf: PassageIndex['weightOf']): Answer {
  const asked = new Set(termsOf(question))
  const all = [...asked].reduce((sum, term) => sum + weightOf(term), 0)
  const candidates = hits.flatMap((hit) => candidatesOf(hit, { asked, weightOf, best: hits[0]?.score ?? 1 }))
  const chosen = choose(candidates, all * LEAST_SHARE)
  if (chosen.length === 0) return { answer: NOTHING_FOUND, citations: [], source: 'files' }
  return {
    answer: chosen.map(({ text, citation }) => `${shortened(text)} [${citation.file}:${citation.line}]`).join('\n'),
    citations: chosen.map(({ citation }) => citation),
    source: 'files',
  }
}

interface Question {
  asked: ReadonlySet<string>
  weightOf: PassageIndex['weightOf']
  /** The score of the best passage. */
  best: number
}

function candidatesOf({ passage, weight, score, terms: hitTerms }: Hit, { asked, weightOf, best }: Question): Candidate[] {
  const wanted = new Set(hitTerms)
  const inHeading = new Set(termsOf(passage.heading))
  const weigh = (term: string) => weightOf(term) * (asked.has(term) ? 1 : NEAR)
  return sentencesOf(passage).map((sentence) => {
    const terms = new Set(termsOf(sentence.text))
    const met = new Map<string, number>()
    for (const term of wanted) {
      if (terms.has(term)) met.set(term, weigh(term))
      else if (inHeading.has(term)) met.set(term, weigh(term) * IN_HEADING)
    }
    const { file, first_line, lines } = passage
    const text = (lines[sentence.line - first_line] ?? '').trim().slice(0, MOST_UNITS)
    // Among sentences that meet the same words the shorter one says it plainer, and the one in the better passage says more of it.
    const brevity = 1 / (0.7 + 0.3 * (Math.max(terms.size, 4) / USUAL_TERMS))
    const factor = kinds[passage.kind] * weight * mannerOf(sentence.text, asked) * brevity * (0.8 + (0.2 * score) / best)
    const own = [...met.keys()].some((term) => terms.has(term))
    return { ...sentence, citation: { file, line: sentence.line, text }, met: own ? met : new Map(), terms, factor }
  })
}

/** How far the way in which a sentence is written lets it be an answer. */
function mannerOf(text: string, asked: ReadonlySet<string>): number {
  const [head = '', ...cells] = text.split(' · ')
  const subject = cells.length === 0 ? [] : termsOf(head)
  const isDefinition = subject.length > 0 && subject.length === asked.size && subject.every((term) => asked.has(term))
  return (/[?？]$/.test(text) ? AS_QUESTION : 1) * (isMostlyCode(text) ? AS_CODE : 1) * (isDefinition ? AS_DEFINITION : 1)
}

function isMostlyCode(text: string): boolean {
  const code = [...text.matchAll(/`[^`]*`/g)].reduce((sum, [part]) => sum + part.length, 0)
  return code > text.length / 2
}

/** Greedily, each time the sentence that adds most: what is said already counts little again. */
function choose(candidates: readonly Candidate[], least_share: number): Candidate[] {
  const chosen: Candidate[] = []
  const said = new Set<string>()
  let first = 0
  let least = least_share
  while (chosen.length < MOST_SENTENCES) {
    const gain = ({ met, factor }: Candidate) =>
      factor * [...met].reduce((sum, [term, weight]) => sum + weight * (said.has(term) ? 0.45 : 1), 0)
    // One word alone is a chance meeting, if the first sentence has more.
    const words = Math.min(chosen[0]?.met.size ?? 1, 2)
    const fits = (one: Candidate) => one.met.size >= words && sumOf(one.met) >= least && !chosen.some((other) => isSame(one, other))
    const rest = candidates.filter(fits)
    const next = rest.toSorted((a, b) => gain(b) - gain(a))[0]
    if (next === undefined || gain(next) < first * LEAST_NEWS) break
    if (chosen.length === 0) {
      first = gain(next)
      least = Math.max(least, sumOf(next.met) * LEAST_OF_FIRST)
    }
    chosen.push(next)
    for (const term of next.met.keys()) said.add(term)
  }
  return chosen
}

const sumOf = (met: ReadonlyMap<string, number>): number => [...met.values()].reduce((a, b) => a + b, 0)

/** The same place, or the same words but for a few. */
function isSame(one: Candidate, other: Candidate): boolean {
  if (one.text === other.text) return true
  const shared = [...one.terms].filter((term) => other.terms.has(term)).length
  return shared > 0.8 * (one.terms.size + other.terms.size - shared)
}

function shortened(text: string): string {
  return text.length <= MOST_UNITS ? text : `${text.slice(0, MOST_UNITS).replace(/\s+\S*$/, '')} …`
}
