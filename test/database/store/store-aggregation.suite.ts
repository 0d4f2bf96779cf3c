import { expect } from 'chai'
import type { Collection, Document } from 'mongodb'

type Row = Document & { _id: string }

/** The aggregations the hub's stores use, as a part of the promises of every database. */
export function aggregationPromises(rows: () => Collection<Row>) {
  it('[DB-17] aggregation groups, joins, unwinds, counts and facets', async () => {
    await rows().insertMany([
      { _id: '1', kind: 'a', n: 1, tags: ['x', 'y'] },
      { _id: '2', kind: 'a', n: 5, tags: ['y'] },
      { _id: '3', kind: 'b', n: 7, tags: [] },
    ])
    const group = { $group: { _id: '$kind', n: { $sum: '$n' }, top: { $max: '$n' }, all: { $push: '$_id' }, count: { $sum: 1 } } }
    expect(
      await rows()
        .aggregate([{ $sort: { _id: 1 } }, group, { $sort: { _id: 1 } }])
        .toArray(),
    ).to.deep.equal([
      { _id: 'a', n: 6, top: 5, all: ['1', '2'], count: 2 },
      { _id: 'b', n: 7, top: 7, all: ['3'], count: 1 },
    ])
    const tags = [{ $unwind: '$tags' }, { $group: { _id: '$tags', n: { $sum: 1 } } }, { $sort: { _id: 1 } }]
    expect(await rows().aggregate(tags).toArray()).to.deep.equal([
      { _id: 'x', n: 1 },
      { _id: 'y', n: 2 },
    ])
    const joined = [
      { $match: { _id: '3' } },
      { $lookup: { from: rows().collectionName, localField: 'kind', foreignField: 'kind', as: 'same' } },
      { $project: { _id: 1, n: { $size: '$same' }, twice: { $multiply: ['$n', 2] } } },
    ]
    expect(await rows().aggregate(joined).toArray()).to.deep.equal([{ _id: '3', n: 1, twice: 14 }])
    const facet = [{ $facet: { total: [{ $count: 'n' }], first: [{ $sort: { n: -1 } }, { $limit: 1 }, { $project: { _id: 1 } }] } }]
    expect(await rows().aggregate(facet).toArray()).to.deep.equal([{ total: [{ n: 3 }], first: [{ _id: '3' }] }])
    expect(await rows().countDocuments({ kind: 'a' })).to.equal(2)
    expect((await rows().distinct('tags')).sort()).to.deep.equal(['x', 'y'])
  })
}
