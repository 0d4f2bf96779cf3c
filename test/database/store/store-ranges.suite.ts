import { expect } from 'chai'
import { type Collection, type Document, Long, ObjectId } from 'mongodb'

type Row = Document & { _id: string }

/** Ranges through indexes of either direction, as a part of the promises of every database. */
export function rangePromises(rows: () => Collection<Row>) {
  it('[DB-24] a range through an index, ascending or descending, alone or behind another field, finds what reading everything finds', async () => {
    const values: [unknown, ...unknown[]][] = [
      ['a', 'b', 'b\u0000', 'bc', 'c', ''],
      [1, 2.5, -3, 0, Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, Long.fromString('9007199254740993')],
      [new Date(1), new Date(-1), new Date(5)],
      [new ObjectId('000000000000000000000001'), new ObjectId('ffffffffffffffffffffffff')],
      [true, false],
    ]
    const all = values.flat()
    await rows().insertMany(all.map((v, n) => ({ _id: String(n).padStart(2, '0'), kind: 'k', v })))
    await rows().insertOne({ _id: 'other', kind: 'l', v: 'b' })
    const filters = all.flatMap((v) => [
      ...['$gt', '$gte', '$lt', '$lte'].map((operator) => ({ kind: 'k', v: { [operator]: v } })),
      { kind: 'k', v: { $gte: v, $lt: 'c' } },
    ])
    const found = () =>
      Promise.all(filters.map(async (filter) => (await rows().find(filter).sort({ _id: 1 }).toArray()).map(({ _id }) => _id)))
    const expected = await found()
    for (const spec of [{ v: 1 }, { v: -1 }, { kind: 1, v: 1 }, { kind: 1, v: -1 }, { kind: -1, v: -1 }] as Record<string, 1 | -1>[]) {
      const name = await rows().createIndex(spec)
      expect(await found(), name).to.deep.equal(expected)
      await rows().dropIndex(name)
    }
  })

  it('[DB-24] one element of an array, in the order of what stands behind it in the index, finds what reading everything finds', async () => {
    const all = Array.from({ length: 60 }, (_, n) => ({
      _id: String(n).padStart(2, '0'),
      tags: ['any', `t${n % 3}`, `t${n % 3}`, ...(n % 4 === 0 ? ['even'] : [])],
      at: (n * 37) % 11,
    }))
    await rows().insertMany([...all, { _id: 'none', at: 3 }, { _id: 'empty', tags: [], at: 4 }, { _id: 'single', tags: 'any', at: 5 }])
    const filters: Document[] = [
      { tags: 'any' },
      { tags: 't1', at: { $gte: 3, $lt: 8 } },
      { $and: [{ tags: 'even' }, { tags: 't0' }], at: { $lte: 9 } },
      { tags: { $in: ['t0', 'even'] } },
      { tags: { $all: ['any', 'even'] }, at: { $gt: 2 } },
      { tags: 'any', $or: [{ at: { $lt: 5 } }, { at: 5, _id: { $lt: '30' } }] },
      { tags: null, at: { $gt: 1 } },
    ]
    const orders: Record<string, 1 | -1>[] = [
      { at: -1, _id: -1 },
      { at: 1, _id: 1 },
      { at: 1, _id: -1 },
      { tags: 1, _id: 1 },
    ]
    const asked = filters.flatMap((filter) => orders.map((order) => ({ filter, order })))
    const found = () =>
      Promise.all(
        asked.map(async ({ filter, order }) =>
          (
            await rows()
              .find(filter as object)
              .sort(order)
              .limit(25)
              .toArray()
          ).map(({ _id }) => _id),
        ),
      )
    const expected = await found()
    for (const spec of [
      { tags: 1, at: 1, _id: 1 },
      { tags: 1, at: -1, _id: -1 },
      { at: 1, tags: 1 },
    ] as Record<string, 1 | -1>[]) {
      const name = await rows().createIndex(spec)
      expect(await found(), name).to.deep.equal(expected)
      await rows().dropIndex(name)
    }
  })
}
