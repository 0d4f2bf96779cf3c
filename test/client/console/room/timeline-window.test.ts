import { expect } from 'chai'
import fc from 'fast-check'
import { TimelineWindow } from '../../../../client/console/src/room/timeline-window.ts'
import type { WireEvent } from '../../../../shared/protocol/index.ts'

const event = (seq: number): WireEvent => ({ seq, type: 'redacted', digest: '00', chain: '00' })

/** A log that grows, and pages of it. */
function createLog(head: number) {
  const log = { head, mostPerPage: 500, fails: false }
  const read = async ({ after, limit }: { after: number; limit: number }) => {
    if (log.fails) throw new Error('no answer')
    const count = Math.max(0, Math.min(limit, log.mostPerPage, log.head - after))
    return { events: Array.from({ length: count }, (_, at) => event(after + 1 + at)), head: log.head, epoch: 'e' }
  }
  return { log, window: new TimelineWindow(read) }
}

const seqs = (window: TimelineWindow) => window.events.peek().map(({ seq }) => seq)
const isGapless = (window: TimelineWindow) => seqs(window).every((seq, at, all) => seq === (all[0] ?? 0) + at)

describe('console: the loaded piece of the log', () => {
  it('[CON-25] it reaches the end, and the event that is looked for, in pages of any size', async () => {
    const { log, window } = createLog(1_000)
    log.mostPerPage = 7
    await window.openEnd(1_000)
    expect([window.last, window.isAttached.peek(), isGapless(window)]).to.deep.equal([1_000, true, true])
    await window.openAround(500)
    expect(seqs(window)).to.include(500)
    expect(isGapless(window)).to.equal(true)
  })

  it('[CON-25] is gapless and bounded after any pages, jumps, failures and live events', async () => {
    const step = fc.oneof(
      fc.record({ does: fc.constantFrom('older' as const, 'newer' as const, 'end' as const, 'fail' as const) }),
      fc.record({ does: fc.constant('live' as const), count: fc.integer({ min: 1, max: 700 }) }),
      fc.record({ does: fc.constant('around' as const), at: fc.nat() }),
      fc.record({ does: fc.constant('pages' as const), of: fc.integer({ min: 1, max: 500 }) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5_000 }), fc.array(step, { maxLength: 40 }), async (head, steps) => {
        const { log, window } = createLog(head)
        await window.openEnd(head)
        for (const one of steps) {
          if (one.does === 'older') await window.older().catch(() => undefined)
          else if (one.does === 'newer') await window.newer().catch(() => undefined)
          else if (one.does === 'end') await window.openEnd(log.head).catch(() => undefined)
          else if (one.does === 'around') await window.openAround((one.at % log.head) + 1).catch(() => undefined)
          else if (one.does === 'pages') log.mostPerPage = one.of
          else if (one.does === 'live') for (let at = 0; at < one.count; at += 1) window.push(event(++log.head))
          else log.fails = !log.fails
          expect(isGapless(window)).to.equal(true)
          expect(seqs(window).length).to.be.at.most(3_000)
          expect(window.isLoading.peek()).to.equal(false)
          if (window.isAttached.peek()) expect(window.last).to.equal(log.head)
        }
      }),
    )
  })

  it('[CON-25] live events that come while a page is on its way are behind it', async () => {
    const { log, window } = createLog(300)
    const opening = window.openEnd(300)
    for (let at = 0; at < 5; at += 1) window.push(event(++log.head))
    await opening
    expect(window.isAttached.peek()).to.equal(true)
    expect(seqs(window).at(-1)).to.equal(305)
    expect(isGapless(window)).to.equal(true)
  })

  it('[CON-25] a reader who comes back from the past page by page meets the present', async () => {
    const { log, window } = createLog(1_000)
    await window.openEnd(1_000)
    await window.openAround(500)
    for (let at = 0; at < 800; at += 1) window.push(event(++log.head))
    while (!window.isAttached.peek()) await window.newer()
    expect([seqs(window)[0], seqs(window).at(-1)]).to.deep.equal([450, 1_800])
    expect(isGapless(window)).to.equal(true)
  })
})
