import { z } from 'zod'
import type { HttpRow } from '../../shared/protocol/index.ts'

interface Shape {
  properties?: Record<string, unknown>
  required?: string[]
}

/** Every list takes these, and the README says so once. */
const OF_LISTS = ['limit', 'offset', 'cursor', 'count', 'sort_by', 'sort_order']
const MOST_SHOWN = 8

/** `POST /agents {name, wallet_address?}`, who may, and what comes of it with what is in the answer. */
export function routeCells([route, { who, about, status, query, body, answer, versioned }]: [string, HttpRow]): string[] {
  const asked = query === undefined ? [] : namesOf(query, 'input').filter((name) => !OF_LISTS.includes(name.replace('?', '')))
  const sent = body === undefined ? '' : ` {${namesOf(body, 'input').join(', ')}}`
  const shown = answer === undefined ? [] : namesOf(answer, 'output')
  const whole = shown.length > 0 && shown.length <= MOST_SHOWN && !shown.includes('total') ? `\`{${shown.join(', ')}}\`` : ''
  const given = [status === undefined ? '' : String(status), whole].filter(Boolean).join(' ')
  const path = `${route}${asked.length > 0 ? `?${asked.map((name) => `${name.replace('?', '')}=`).join('&')}` : ''}${sent}`
  return [`\`${path}\``, who, [given, about, versioned ? 'has an `ETag`' : ''].filter(Boolean).join('; ')]
}

function namesOf(schema: z.ZodType, io: 'input' | 'output'): string[] {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io, unrepresentable: 'any', reused: 'inline' }) as Shape
  return Object.keys(properties).map((name) => (required.includes(name) ? name : `${name}?`))
}
