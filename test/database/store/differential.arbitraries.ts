import fc from 'fast-check'

/** Few fields and few values, so that random filters meet random documents. */
const field = fc.constantFrom('a', 'b', 'c')
const path = fc.constantFrom('a', 'b', 'c', 'a.x', 'b.x', 'a.y')
const scalar = fc.oneof(
  fc.integer({ min: -2, max: 3 }),
  fc.constantFrom(0.5, 1.5, -1.5),
  fc.constantFrom('', 'x', 'xy', 'Y'),
  fc.boolean(),
  fc.constant(null),
  fc.constantFrom(new Date(0), new Date(1000)),
)
const inner = fc.dictionary(fc.constantFrom('x', 'y'), scalar, { maxKeys: 2, noNullPrototype: true })
const value = fc.oneof(
  { weight: 4, arbitrary: scalar },
  { weight: 1, arbitrary: inner },
  { weight: 1, arbitrary: fc.array(fc.oneof(scalar, inner), { maxLength: 3 }) },
)

export const document = fc.dictionary(field, value, { maxKeys: 3, noNullPrototype: true })

const comparison = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('$gt', '$gte', '$lt', '$lte'),
      scalar.filter((one) => typeof one !== 'boolean'),
    )
    .map(([name, one]) => ({ [name]: one })),
  fc.tuple(fc.constantFrom('$eq', '$ne'), scalar).map(([name, one]) => ({ [name]: one })),
  fc.tuple(fc.constantFrom('$in', '$nin'), fc.array(scalar, { maxLength: 3 })).map(([name, list]) => ({ [name]: list })),
  fc.boolean().map(($exists) => ({ $exists })),
  fc.constantFrom('string', 'array', 'object', 'number', 'null', 'bool', 'date').map(($type) => ({ $type })),
  fc.integer({ min: 0, max: 3 }).map(($size) => ({ $size })),
  fc.array(scalar, { minLength: 1, maxLength: 2 }).map(($all) => ({ $all })),
  fc.constantFrom('^x', 'y$', 'Y').map(($regex) => ({ $regex })),
  fc.constant({ $mod: [2, 1] }),
  scalar.map((one) => ({ $not: { $gt: one } })),
  scalar.map((one) => ({ $elemMatch: { $gte: one } })),
  scalar.map((x) => ({ $elemMatch: { x } })),
)
const range = fc.tuple(fc.integer({ min: -2, max: 1 }), fc.integer({ min: 0, max: 3 })).map(([$gte, $lt]) => ({ $gte, $lt }))
const clause = fc.tuple(path, fc.oneof(scalar, inner, comparison, range)).map(([name, condition]) => ({ [name]: condition }))

export const filter = fc.oneof(
  { weight: 3, arbitrary: clause },
  { weight: 2, arbitrary: fc.tuple(clause, clause).map(([one, other]) => ({ ...one, ...other })) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('$or', '$and', '$nor'), fc.array(clause, { minLength: 1, maxLength: 2 }))
      .map(([n, l]) => ({ [n]: l })),
  },
) as fc.Arbitrary<Record<string, unknown>>

const direction = fc.constantFrom(1 as const, -1 as const)
export const sort = fc.dictionary(field, direction, { maxKeys: 2, noNullPrototype: true })
export const index = fc.dictionary(path, direction, { minKeys: 1, maxKeys: 2, noNullPrototype: true })

const number = fc.constantFrom(1, -2, 0.5)
export const update = fc.oneof(
  fc.tuple(path, value).map(([name, one]) => ({ $set: { [name]: one } })),
  // Of `$unset` through an array MongoDB makes nothing, DocumentDB a refusal: top fields only.
  field.map((name) => ({ $unset: { [name]: '' } })),
  fc.tuple(fc.constantFrom('$inc', '$mul'), path, number).map(([operator, name, one]) => ({ [operator]: { [name]: one } })),
  fc.tuple(fc.constantFrom('$min', '$max'), path, scalar).map(([operator, name, one]) => ({ [operator]: { [name]: one } })),
  fc.tuple(fc.constantFrom('$push', '$addToSet'), path, value).map(([operator, name, one]) => ({ [operator]: { [name]: one } })),
  fc
    .tuple(path, fc.array(scalar, { minLength: 1, maxLength: 3 }), fc.constantFrom(-2, -1, 1, 2))
    .map(([name, $each, $slice]) => ({ $push: { [name]: { $each, $slice } } })),
  fc
    .tuple(
      path,
      fc.oneof(
        scalar,
        fc.integer({ min: -1, max: 2 }).map(($gt) => ({ $gt })),
      ),
    )
    .map(([name, one]) => ({ $pull: { [name]: one } })),
  fc.tuple(path, fc.array(scalar, { maxLength: 2 })).map(([name, list]) => ({ $pullAll: { [name]: list } })),
  fc.tuple(path, direction).map(([name, end]) => ({ $pop: { [name]: end } })),
  fc.tuple(field, value, fc.constantFrom('n', 'm')).map(([name, one, counter]) => ({ $set: { [name]: one }, $inc: { [counter]: 1 } })),
)

const expression = fc.oneof(
  path.map((name) => `$${name}`),
  fc
    .tuple(fc.constantFrom('$eq', '$ne', '$gt', '$lt', '$cmp'), path, scalar)
    .map(([operator, name, one]) => ({ [operator]: [`$${name}`, one] })),
  fc.tuple(path, scalar).map(([name, one]) => ({ $ifNull: [`$${name}`, one] })),
  fc.tuple(path, scalar).map(([name, one]) => ({ $cond: [{ $gt: [`$${name}`, one] }, 'more', 'less'] })),
  path.map((name) => ({ $cond: [{ $isArray: [`$${name}`] }, { $size: { $ifNull: [`$${name}`, []] } }, -1] })),
)
const safeSum = path.map((name) => ({ $sum: `$${name}` }))
const accumulator = fc.oneof(
  safeSum,
  path.map((name) => ({ $avg: `$${name}` })),
  path.map((name) => ({ $min: `$${name}` })),
  path.map((name) => ({ $max: `$${name}` })),
  // Of a missing field MongoDB makes null, DocumentDB nothing: `_id` is always there.
  fc.constantFrom({ $first: '$_id' }, { $last: '$_id' }),
  path.map((name) => ({ $push: `$${name}` })),
  fc.constant({ $sum: 1 }),
)
const BY_ID = { $sort: { _id: 1 } }

export const aggregation = fc.oneof(
  // DocumentDB keeps a missing group apart from null, MongoDB does not: none is missing here.
  fc
    .tuple(filter, expression, accumulator)
    .map(([$match, by, n]) => [{ $match }, BY_ID, { $group: { _id: { $ifNull: [by, null] }, n } }, BY_ID]),
  fc.tuple(field, accumulator).map(([name, n]) => [BY_ID, { $unwind: `$${name}` }, { $group: { _id: null, n, count: { $sum: 1 } } }]),
  fc
    .tuple(field, fc.boolean())
    .map(([name, keep]) => [BY_ID, { $unwind: { path: `$${name}`, includeArrayIndex: 'at', preserveNullAndEmptyArrays: keep } }]),
  fc.tuple(expression, field).map(([n, name]) => [BY_ID, { $project: { n, [name]: 1 } }]),
  expression.map((n) => [BY_ID, { $addFields: { n } }]),
  fc.tuple(field, field).map(([one, other]) => [BY_ID, { $project: { [one]: 0, [`${other}_`]: 0 } }]),
  filter.map(($match) => [{ $match }, { $sort: { _id: -1 } }, { $skip: 1 }, { $limit: 3 }]),
  fc
    .tuple(filter, field)
    .map(([$match, name]) => [
      { $match },
      BY_ID,
      { $facet: { n: [{ $group: { _id: null, n: { $sum: 1 } } }], v: [{ $project: { [name]: 1 } }, { $limit: 2 }] } },
    ]),
)
