import { z } from 'zod'
import { connect, giveUp, type Room } from '../client/sdk/node.ts'

const hub = await connect({ url: process.env.PARLEY_URL ?? 'http://127.0.0.1:6767', key: process.env.PARLEY_KEY ?? '' }).catch(giveUp)
hub.tool({
  name: 'spell',
  description: 'Spells a word, letter by letter.',
  input: z.object({ word: z.string() }),
  async *run({ word }) {
    for (const letter of word) yield `${letter} `
    return { letters: word.length }
  },
})
async function answer(room: Room) {
  for await (const event of room.events()) {
    if (event.type !== 'message.posted' || event.by.id === hub.principal.id) continue
    await room.post(`You said: ${event.data.body}`, { key: `echo:${event.seq}`, visibility: event.data.visibility })
  }
}
for await (const room of hub.rooms({ since: () => 0 })) answer(room).catch(console.error)
