import { z } from 'zod'
import { idSchema, toolNameSchema } from '../primitives.ts'

const skillNameSchema = z.string().regex(/^[A-Za-z0-9_.:/-]{1,100}$/, 'use 1 to 100 letters, digits, `_`, `.`, `:`, `/` or `-`')

/** From least to most. */
export const filesystemAccesses = ['none', 'readonly', 'readwrite'] as const
export type FilesystemAccess = (typeof filesystemAccesses)[number]

/** What a key is bound to beside its scopes. A field that is left out bounds nothing; an empty list allows nothing. */
export const profileSchema = z.strictObject({
  allowed_tools: z.array(toolNameSchema).max(128).exactOptional(),
  /** The agents whose tools it may call, and with whom it may open contracts. */
  allowed_agents: z.array(idSchema).max(100).exactOptional(),
  allowed_skills: z.array(skillNameSchema).max(100).exactOptional(),
  /** Calls that the key's sessions have under way at once, in all rooms. */
  max_concurrent_tasks: z.int().min(1).max(10_000).exactOptional(),
  max_cpu_cores: z.number().positive().max(1_024).exactOptional(),
  max_memory_gb: z.number().positive().max(65_536).exactOptional(),
  max_execution_seconds: z.int().min(1).max(86_400).exactOptional(),
  /** In US dollars. */
  max_cost_per_task: z.number().min(0).max(1_000_000).exactOptional(),
  network_access: z.boolean().exactOptional(),
  filesystem_access: z.enum(filesystemAccesses).exactOptional(),
})
export type Profile = z.infer<typeof profileSchema>
export type ProfileRule = keyof Profile
export const profileRules = Object.keys(profileSchema.shape) as ProfileRule[]
