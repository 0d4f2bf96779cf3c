import { expect } from 'chai'
import { growthOf, type Sample } from './growth.ts'

const samplesOf = (heapAt: (minute: number) => number): Sample[] =>
  Array.from({ length: 30 }, (_, at) => ({ minute: at / 3, heap_mb: heapAt(at / 3), rss_mb: 200 }))

describe('the verdict of a soak', () => {
  it('[FAULT-11] memory that goes up and down about one place does not grow', () => {
    const growth = growthOf(
      samplesOf((minute) => 70 + 5 * Math.sin(minute * 7)),
      'heap_mb',
    )
    expect(growth.grows).to.equal(false)
    expect(Math.abs(growth.mb_per_minute)).to.be.below(1)
  })

  it('[FAULT-11] memory that a hub loses by two megabytes a minute grows', () => {
    const growth = growthOf(
      samplesOf((minute) => 70 + 2 * minute),
      'heap_mb',
    )
    expect(growth.grows).to.equal(true)
    expect(growth.mb_per_minute).to.be.closeTo(2, 0.001)
  })
})
