import { briefTime, fullTimeOf } from '../../time.ts'

/** A time as people say it, with the whole of it for who wants to know. */
export function Moment({ at }: { at: string }) {
  return (
    <time dateTime={at} title={fullTimeOf(at)}>
      {briefTime(at)}
    </time>
  )
}
