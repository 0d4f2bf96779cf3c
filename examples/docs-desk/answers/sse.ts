/** More than any model sends in one line; a server that never ends its line must not fill the memory. */
const MOST_UNITS = 4_194_304

/**
 * The `data` of each server-sent event (WHATWG HTML, 9.2.6), wherever the network cuts the bytes: inside a character, a line end or
 * an event. An event that the end of the stream cuts off is given too, for some servers leave out the last empty line.
 */
export async function* eventData(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, void> {
  let lines: string[] = []
  for await (const line of linesOf(body)) {
    if (line === '' && lines.length > 0) {
      yield lines.join('\n')
      lines = []
    }
    if (line === 'data') lines.push('')
    if (line.startsWith('data:')) lines.push(line.slice(line.startsWith('data: ') ? 6 : 5))
  }
  if (lines.length > 0) yield lines.join('\n')
}

async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const bytes of body) {
    rest += decoder.decode(bytes, { stream: true })
    if (rest.length > MOST_UNITS) throw new RangeError('A line of the stream has no end')
    // A CR at the very end may be half of a line end.
    const isHalf = rest.endsWith('\r')
    const lines = (isHalf ? rest.slice(0, -1) : rest).split(/\r\n|\n|\r/)
    rest = (lines.pop() ?? '') + (isHalf ? '\r' : '')
    yield* lines
  }
  rest += decoder.decode()
  if (rest !== '') yield* rest.split(/\r\n|\n|\r/)
}
