import type { Passage } from './passages.ts'

export interface Sentence {
  /** Without the marks of lists, quotes, tables and emphasis. */
  text: string
  /** Where it begins, from 1. */
  line: number
}

const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' })
const LIST_MARK = /^\s*(?:>\s*)*(?:(?:[-*+•]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?)?/
const STARTS_ANEW = /^\s*(?:>\s*)*(?:[-*+•]|\d{1,3}[.)])\s+|^\s*\|/
const TABLE_RULE = /^\s*\|[\s|:-]+$/
const RULE = /^[\s|:=+*_-]+$/
/** A full stop after these does not end a sentence. */
const ABBREVIATION = /(?:^|[\s(])(?:e\.g|i\.e|etc|vs|cf|al|approx|no|nr|fig|dr|mr|mrs|ms|st|z\.b|d\.h|u\.a|bzw|\p{L})\.\s*$/iu

/** The sentences of a passage, each with the line on which it begins. A list item, a table's row and a line of code stand alone. */
export function sentencesOf(passage: Passage): Sentence[] {
  return blocksOf(passage).flatMap(sentencesOfBlock)
}

interface Block {
  text: string
  /** At which offset of the text each line begins. */
  starts: { offset: number; line: number }[]
}

function blocksOf({ kind, lines, first_line }: Passage): Block[] {
  const blocks: Block[] = []
  for (const [index, raw] of lines.entries()) {
    // The names of a table's columns say nothing by themselves.
    if (TABLE_RULE.test(raw)) blocks.pop()
    if (RULE.test(raw)) continue
    const clean = kind === 'code' ? raw.trim() : withoutMarks(raw)
    const before = blocks.at(-1)
    const line = first_line + index
    if (before === undefined || kind === 'code' || STARTS_ANEW.test(raw)) {
      blocks.push({ text: clean, starts: [{ offset: 0, line }] })
    } else {
      before.starts.push({ offset: before.text.length + 1, line })
      before.text += ` ${clean}`
    }
  }
  return blocks
}

function withoutMarks(raw: string): string {
  if (/^\s*\|/.test(raw)) return cellsOf(raw).join(' · ')
  return raw
    .replace(/^ {0,3}#{1,6}\s+/, '')
    .replace(LIST_MARK, '')
    .replaceAll('**', '')
    .trim()
}

function cellsOf(row: string): string[] {
  return row
    .trim()
    .replace(/^\||\|$/g, '')
    .split('|')
    .map((cell) => cell.replaceAll('**', '').trim())
    .filter((cell) => cell !== '')
}

function sentencesOfBlock({ text: whole, starts }: Block): Sentence[] {
  const sentences: Sentence[] = []
  let isOpen = false
  for (const { segment, index } of segmenter.segment(whole)) {
    const before = sentences.at(-1)
    if (isOpen && before !== undefined) {
      before.text += segment
    } else {
      const line = starts.findLast(({ offset }) => offset <= index)?.line ?? starts[0]?.line ?? 1
      sentences.push({ text: segment, line })
    }
    const text = sentences.at(-1)?.text ?? ''
    // Inside of `code?` a mark ends nothing.
    isOpen = ABBREVIATION.test(segment) || text.split('`').length % 2 === 0
  }
  return sentences.map((sentence) => ({ ...sentence, text: sentence.text.trim() })).filter(({ text }) => text !== '')
}
