import { expect } from 'chai'
import { createManualClock } from '../harness/clock.ts'
import { startHub } from '../harness/hub.ts'
import { connectAgent, connectAs, openContract } from '../harness/people.ts'

it('[CALL-2] a call that nobody answers ends at its deadline, and the room is told', async () => {
  const clock = createManualClock()
  const hub = await startHub({ clock })
  const { contract_id, requester, provider } = await openContract(hub)
  const agent = await connectAgent(hub, provider, [{ name: 'muse', description: 'Never answers', input_schema: {} }])
  const human = await connectAs(hub, requester)
  await human.must('room.join', { contract_id })
  const { call_id } = await human.must('tool.call', { contract_id, key: 'one', tool: 'muse', input: {}, timeout_ms: 5_000 })
  await agent.next('core.tool.call', (call) => call.call_id === call_id)
  clock.advance(5_000)
  expect((await human.event(contract_id, 'call.timed_out')).data).to.deep.include({ call_id, tool: 'muse' })
  for (const client of [agent, human]) client.close()
  await hub.close()
})
