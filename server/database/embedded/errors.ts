/** A refusal as MongoDB words it: its code and name are what drivers act on, so they are MongoDB's own. */
export class MongoRefusal extends Error {
  readonly code: number
  readonly codeName: string
  readonly extra: Record<string, unknown>

  constructor(code: keyof typeof codeNames, message: string, extra: Record<string, unknown> = {}) {
    super(message)
    this.code = Number(code)
    this.codeName = codeNames[code]
    this.extra = extra
  }
}

/** The codes this server answers with, from MongoDB's error_codes.yml. `Location…` is MongoDB's name for a code without one. */
const codeNames = {
  1: 'InternalError',
  2: 'BadValue',
  8: 'UnknownError',
  9: 'FailedToParse',
  14: 'TypeMismatch',
  15: 'Overflow',
  20: 'IllegalOperation',
  22: 'InvalidBSON',
  26: 'NamespaceNotFound',
  27: 'IndexNotFound',
  28: 'PathNotViable',
  40: 'ConflictingUpdateOperators',
  43: 'CursorNotFound',
  48: 'NamespaceExists',
  52: 'DollarPrefixedFieldName',
  53: 'InvalidIdField',
  56: 'EmptyFieldName',
  59: 'CommandNotFound',
  66: 'ImmutableField',
  67: 'CannotCreateIndex',
  72: 'InvalidOptions',
  73: 'InvalidNamespace',
  85: 'IndexOptionsConflict',
  86: 'IndexKeySpecsConflict',
  115: 'CommandNotSupported',
  123: 'NotAReplicaSet',
  168: 'InvalidPipelineOperator',
  171: 'CannotIndexParallelArrays',
  197: 'InvalidIndexSpecificationOption',
  292: 'QueryExceededMemoryLimitNoDiskUseAllowed',
  10334: 'BSONObjectTooLarge',
  11000: 'DuplicateKey',
  14031: 'OutOfDiskSpace',
  17280: 'KeyTooLong',
  31249: 'Location31249',
  31253: 'Location31253',
  31254: 'Location31254',
  40228: 'Location40228',
  40323: 'Location40323',
  40324: 'Location40324',
  40352: 'Location40352',
  40353: 'Location40353',
  40414: 'Location40414',
  40415: 'Location40415',
  40573: 'Location40573',
  51024: 'Location51024',
  51091: 'Location51091',
} as const

/** Why the embedded database did not start. `fix` tells the operator what to do. */
export class EmbeddedRefusal extends Error {
  readonly code: EmbeddedRefusalCode
  readonly fix: string

  constructor(code: EmbeddedRefusalCode, message: string, fix: string) {
    super(message)
    this.code = code
    this.fix = fix
  }
}

export type EmbeddedRefusalCode =
  | 'ARGUMENTS_INVALID'
  | 'DIRECTORY_NOT_WRITABLE'
  | 'DIRECTORY_IN_USE'
  | 'DIRECTORY_OWNER_SILENT'
  | 'SOCKET_PATH_TOO_LONG'
  | 'DATA_CORRUPT'
  | 'DATA_MISSING'
  | 'FORMAT_UNKNOWN'
  | 'START_FAILED'
