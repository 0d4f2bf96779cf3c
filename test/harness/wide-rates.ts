import type { Rates } from '../../shared/protocol/index.ts'

const wide = { q: 1_000_000, w: 60 }

/** For tests of something else, which ask far more often as one principal than a client should. */
export const wideRates: Rates = { read: wide, write: wide, login: wide, register: wide, upload: wide }
