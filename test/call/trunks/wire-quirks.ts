import type { Network, StreamConnection, StreamListener, UdpSocket } from '../../../src/runtime/runtime.ts'

/** What a carrier writes otherwise than we would. */
export type WireQuirk = 'compact-headers' | 'no-content-type' | 'contact-without-transport'

/** RFC 3261 §7.3.3, RFC 3515, RFC 3892. */
const compact: Readonly<Record<string, string>> = {
  via: 'v',
  from: 'f',
  to: 't',
  'call-id': 'i',
  contact: 'm',
  'content-type': 'c',
  'content-length': 'l',
  supported: 'k',
  'refer-to': 'r',
  event: 'o',
  subject: 's',
  'referred-by': 'b',
}

/** By quirk: a header line as that carrier writes it; undefined leaves it out. */
const rewrite: Readonly<Record<WireQuirk, (line: string, isFinal: boolean) => string | undefined>> = {
  'compact-headers': line => {
    const at = line.indexOf(':')
    const short = compact[line.slice(0, at).toLowerCase()]
    return short === undefined ? line : `${short}${line.slice(at)}`
  },
  'no-content-type': (line, isFinal) => (isFinal && /^content-type *:/i.test(line) ? undefined : line),
  'contact-without-transport': line =>
    /^contact *:/i.test(line) ? line.replace(/;transport=\w+/i, '') : line,
}

/** A network on which SIP goes out so; all else goes out as it is. */
export function quirkyNetwork(network: Network, quirks: readonly WireQuirk[]): Network {
  const changed = (data: Uint8Array): Uint8Array => rewritten(data, quirks)
  const stream = (connection: StreamConnection): StreamConnection => {
    const write = connection.write.bind(connection)
    connection.write = data => write(changed(data))
    return connection
  }
  const listening = async (pending: Promise<StreamListener>): Promise<StreamListener> => {
    const listener = await pending
    return new Proxy(listener, {
      get: (target, name) => bound(target, name),
      set: (target, name, value: unknown) => {
        const given =
          name === 'onConnection' && typeof value === 'function'
            ? (connection: StreamConnection) =>
                (value as (each: StreamConnection) => void)(stream(connection))
            : value
        return Reflect.set(target, name, given, target)
      },
    })
  }
  const own: Partial<Network> = {
    bindUdp: async options => {
      const socket: UdpSocket = await network.bindUdp(options)
      const send = socket.send.bind(socket)
      socket.send = (data, port, address) => send(changed(data), port, address)
      return socket
    },
    listenTcp: options => listening(network.listenTcp(options)),
    listenTls: options => listening(network.listenTls(options)),
    connectTcp: async options => stream(await network.connectTcp(options)),
    connectTls: async options => stream(await network.connectTls(options)),
  }
  return new Proxy(network, { get: (target, name) => Reflect.get(own, name) ?? bound(target, name) })
}

/** Private fields are there for the object itself alone. */
function bound(target: object, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name, target)
  return typeof value === 'function' ? (value.bind(target) as unknown) : value
}

function rewritten(data: Uint8Array, quirks: readonly WireQuirk[]): Uint8Array {
  const text = Buffer.from(data).toString('latin1')
  const end = text.indexOf('\r\n\r\n')
  const [first = '', ...lines] = text.slice(0, Math.max(0, end)).split('\r\n')
  if (end < 0 || !/^SIP\/2\.0 |SIP\/2\.0$/.test(first)) return data
  const isFinal = first.startsWith('SIP/2.0 200')
  const kept = lines.flatMap(line => {
    let now: string | undefined = line
    for (const quirk of quirks) if (now !== undefined) now = rewrite[quirk](now, isFinal)
    return now === undefined ? [] : [now]
  })
  return Buffer.from([first, ...kept].join('\r\n') + text.slice(end), 'latin1')
}
