import { z } from 'zod'

const citationSchema = z.object({
  file: z.string(),
  /** From 1. */
  line: z.int().min(1),
  /** The line as it stands there, without the blanks around it. */
  text: z.string(),
})
export type Citation = z.infer<typeof citationSchema>

/** What the tool `answer` gives. */
export const answerSchema = z.object({
  answer: z.string(),
  citations: z.array(citationSchema),
  /** Who wrote it: the model, or the files themselves. */
  source: z.enum(['model', 'files']),
  /** Why it is not what was to be expected. */
  note: z.string().exactOptional(),
})
export type Answer = z.infer<typeof answerSchema>

/** The answer as a message: citations that its text does not name yet stand below it. */
export function messageOf({ answer, citations, note }: Answer): string {
  const places = [...new Set(citations.map(({ file, line }) => `${file}:${line}`))].filter((place) => !answer.includes(`[${place}]`))
  const parts = [
    answer,
    places.length === 0 ? '' : `Sources: ${places.map((place) => `[${place}]`).join(' ')}`,
    note ? `Note: ${note}` : '',
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}
