import { z } from 'zod'

/** How often something may be asked for: `q` requests in a window of `w` seconds, as the `RateLimit-Policy` header writes it. */
export const rateSchema = z.strictObject({ q: z.int().min(1).max(1_000_000_000), w: z.int().min(1).max(86_400) })
export type Rate = z.infer<typeof rateSchema>

/** Each route falls under one of these. `register` and `login` are counted for an address, whoever asks; the others for the principal. */
export const ratesSchema = z.strictObject({
  read: rateSchema,
  write: rateSchema,
  login: rateSchema,
  register: rateSchema,
  upload: rateSchema,
})
export type Rates = z.infer<typeof ratesSchema>
export type RatePolicy = keyof Rates

/** Rates that differ from the hub's: a key's own, or those of a setting. */
export const ratesPatchSchema = z.strictObject({
  read: rateSchema.exactOptional(),
  write: rateSchema.exactOptional(),
  login: rateSchema.exactOptional(),
  register: rateSchema.exactOptional(),
  upload: rateSchema.exactOptional(),
})
export type RatesPatch = z.infer<typeof ratesPatchSchema>

export const defaultRates: Rates = {
  read: { q: 60, w: 60 },
  write: { q: 20, w: 60 },
  // A password takes the hub a quarter of a second to check, and an office shares one address.
  login: { q: 20, w: 60 },
  // Nobody vouches for who registers an agent, and each stays for ever.
  register: { q: 20, w: 3_600 },
  upload: { q: 20, w: 60 },
}
