import { z } from 'zod'
import { timeSchema } from '../primitives.ts'
import type { HttpRow } from './http-row.ts'

/** How the hub is, and what it has to say of itself. */
export const hubHttp = {
  'GET /health': {
    who: 'anyone',
    about: 'how the hub is, for people',
    answer: z.object({
      status: z.enum(['ok', 'degraded']),
      version: z.string(),
      dev_mode: z.boolean(),
      database: z.object({ kind: z.string(), ok: z.boolean() }),
      started_at: timeSchema,
      connections: z.int(),
    }),
  },
  'GET /livez': { who: 'anyone', about: 'that its process turns', answer: z.object({ status: z.literal('ok') }) },
  'GET /readyz': {
    who: 'anyone',
    about: 'whether it takes work: 503 while it starts, goes away or has no database',
    tells_when_ill: true,
    answer: z.object({ status: z.enum(['ok', 'not ready']) }),
  },
  'GET /metrics': { who: 'anyone', about: 'what it counts of itself, for Prometheus', media: 'text/plain' },
  'GET /openapi.json': {
    who: 'anyone',
    about: 'all of this as OpenAPI 3.1, made by the running hub; `/docs` shows it to people',
    versioned: true,
    answer: z.looseObject({ openapi: z.string() }),
  },
} as const satisfies Record<string, HttpRow>
