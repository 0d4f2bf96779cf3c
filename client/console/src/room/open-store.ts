import { signal } from '@preact/signals'
import type { RoomStore } from './room-store.ts'

/** The room that is open, for what stands outside of it: the connection strip. */
export const openStore = signal<RoomStore | undefined>(undefined)
