import { readFile, rename, writeFile } from 'node:fs/promises'
import { connect, giveUp } from '../client/sdk/node.ts'
import { followTrail } from '../client/sdk/trail.ts'

const { PARLEY_URL: url = 'http://127.0.0.1:6767', PARLEY_TOKEN: token = '', PARLEY_CURSOR: path = 'trail.cursor' } = process.env
const hub = await connect({ url, token }).catch(giveUp)
const cursor = await readFile(path, 'utf8').catch(() => undefined)
const trail = followTrail(hub, cursor === undefined ? {} : { cursor })
for await (const { at, severity, event_type, actor, subject } of trail) {
  console.log(at, severity, event_type, `${actor.type}:${actor.id}`, `${subject.type}:${subject.id}`)
  if (trail.cursor === undefined) continue
  await writeFile(`${path}.new`, trail.cursor)
  await rename(`${path}.new`, path) // In one step: it may be killed at any moment.
}
