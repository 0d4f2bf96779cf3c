export interface TraceContext {
  /** 32 hex digits. */
  trace_id: string
  /** Of the caller's span: 16 hex digits. Absent when the trace begins here. */
  parent_id?: string
  /** Two hex digits; 01 = the caller records. */
  flags: string
}

const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** A `traceparent` header (W3C Trace Context), or undefined when it is none: then the trace begins anew. */
export function readTraceparent(header: string | undefined): TraceContext | undefined {
  const [, version, trace_id = '', parent_id = '', flags = '', more] = FORM.exec(header?.trim() ?? '') ?? []
  if (version === undefined || version === 'ff' || /^0+$/.test(trace_id) || /^0+$/.test(parent_id)) return undefined
  // Version 00 has four parts; those to come may have more behind them.
  if (version === '00' && more !== undefined) return undefined
  return { trace_id, parent_id, flags }
}

export function writeTraceparent({ trace_id, flags }: TraceContext, span_id: string): string {
  return `00-${trace_id}-${span_id}-${flags}`
}
