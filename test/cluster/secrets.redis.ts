import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import {
  around,
  corpus,
  type Doors,
  type Secret,
  said,
  sayInRoom,
  throughBrokenPackets,
  throughRoutes,
  throughSockets,
} from '../features/audit/secret-doors.ts'
import { openContract, registerAgent, signUp } from '../harness/people.ts'
import type { RedisServer } from '../harness/processes/redis.ts'
import { type Nodes, startNodes } from './nodes.ts'

/** Without those that ask for a password, which take long; over a single hub all routes are asked. */
const routes = ['GET /contracts/:id', 'POST /contracts', 'POST /agents/:id/keys', 'DELETE /agents/:id/keys/:key_id', 'GET /audit']

describe('secrets in the wrong place, on several nodes', () => {
  let nodes: Nodes

  before(async () => {
    nodes = await startNodes()
  })
  after(() => nodes.close())

  it('[AUDIT-27] none is kept in Redis or goes over it from hub to hub; what is known to be there is found', async () => {
    const monitor = await watch(nodes.redis.url)
    const [here, there] = [doorsOf(0), doorsOf(1)]
    const opened = await openContract(nodes.hub(0))
    const reader = await nodes.join(nodes.staff, 1)
    const clients = await sayInRoom(here, opened, said)
    const through = async (secret: Secret) => {
      await throughRoutes(there, routes, secret)
      await throughSockets(there, await registerAgent(nodes.hub(1)), secret)
      await throughBrokenPackets(here, secret)
    }
    await Promise.all(corpus.map(through))
    const own = [opened.provider.bearer, opened.requester.bearer, (await signUp(nodes.hub(0))).bearer, nodes.hub(0).operator_token]
    const kept = await bytesOf(nodes.redis)
    for (const client of [...clients, reader]) client.close()
    const places = { 'what Redis keeps': kept, 'what went over Redis': await monitor.end(nodes.redis) }
    expect(places['what Redis keeps']).to.include(nodes.contract_id)
    expect(places['what went over Redis']).to.include(said.text)
    for (const [place, text] of Object.entries(places)) {
      for (const mark of [...corpus.map((secret) => secret.mark), ...own])
        expect(text.includes(mark) ? `${mark} is in ${place}: ${around(text, mark)}` : 'not there').to.equal('not there')
    }
  })

  function doorsOf(at: number): Doors {
    const { url, operator_token } = nodes.hub(at)
    return { url, operator_token, answers: [] }
  }
})

/** Everything that Redis has, as the bytes of its own file. */
async function bytesOf(redis: RedisServer): Promise<string> {
  await redis.ask('CONFIG', 'SET', 'rdbcompression', 'no')
  expect(await redis.ask('SAVE')).to.equal('+OK\r\n')
  const directory = (await redis.ask('CONFIG', 'GET', 'dir')).split('\r\n').at(-2) ?? ''
  return readFile(join(directory, 'dump.rdb'), 'latin1')
}

/** Hears every command that Redis is given from now on, published messages among them. */
async function watch(redis_url: string): Promise<{ end(redis: RedisServer): Promise<string> }> {
  const { hostname, port } = new URL(redis_url)
  const socket = connect(Number(port), hostname)
  const heard: string[] = []
  socket.on('data', (piece: Buffer) => heard.push(piece.toString('latin1')))
  socket.write('MONITOR\r\n')
  await once(socket, 'data')
  return {
    end: async (redis) => {
      await redis.ask('ECHO', 'the end of it')
      while (!heard.join('').includes('the end of it')) await once(socket, 'data')
      socket.destroy()
      return heard.join('')
    },
  }
}
