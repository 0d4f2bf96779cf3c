/** The address as counters see it: an IPv4 address however it is written, or the /64 of an IPv6 one, for one customer has all addresses of that. */
export function networkOf(ip: string): string {
  const v4 = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)?.[1]
  if (v4 !== undefined) return v4
  if (!ip.includes(':')) return ip
  const [head = [], tail = []] = ip.split('::').map((part) => part.split(':').filter((group) => group !== ''))
  const left_out = Array<string>(Math.max(8 - head.length - tail.length, 0)).fill('0')
  return [...head, ...left_out, ...tail].slice(0, 4).join(':')
}
