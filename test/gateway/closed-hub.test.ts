import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createManualClock } from '../harness/clock.ts'
import { startHub } from '../harness/hub.ts'
import { connectAs, openContract } from '../harness/people.ts'
import { until } from '../scenarios/stage.ts'

describe('a hub that is closed', () => {
  it('[HOUSE-21] is not kept in memory by the process in which it ran', async () => {
    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    const clock = await clockOfClosedHub()
    await until('it is collected', () => {
      collect()
      return clock.deref() === undefined
    })
  })
})

/** Whatever is left of a hub holds its clock. */
async function clockOfClosedHub(): Promise<WeakRef<object>> {
  const clock = createManualClock()
  const hub = await startHub({ clock })
  const { contract_id, requester } = await openContract(hub)
  const human = await connectAs(hub, requester)
  await human.must('room.join', { contract_id })
  human.close()
  await hub.close()
  return new WeakRef(clock)
}
