import { HOST, TOKEN, VALUE } from './chars.ts'
import { SipParseError } from './errors.ts'
import { canonicalHost, scanHostPort, stripBrackets, writeHostPort } from './host.ts'
import { Params, scanParams } from './params.ts'
import type { ParamsInit } from './params.ts'
import { Scanner } from './scanner.ts'

/** What a branch of RFC 3261 begins with (§8.1.1.7). */
export const magicCookie = 'z9hG4bK'

export interface ViaInit {
  /** `UDP`, `TCP`, `TLS`, `WS` ... */
  transport: string
  /** Of the sent-by; an IPv6 address without brackets. */
  host: string
  port?: number | undefined
  params?: ParamsInit | undefined
}

/** One hop of a Via header (RFC 3261 §20.42). Immutable. */
export class Via {
  /** Upper case. */
  readonly transport: string
  readonly host: string
  readonly port: number | undefined
  readonly params: Params

  constructor(init: ViaInit) {
    this.transport = init.transport === 'UDP' ? 'UDP' : init.transport.toUpperCase()
    this.host = stripBrackets(init.host)
    this.port = init.port
    this.params = init.params instanceof Params ? init.params : Params.of(init.params ?? [])
  }

  /** @throws SipParseError */
  static parse(this: void, text: string): Via {
    // Nearly every Via starts like this; the general form allows spaces round each slash.
    if (text.startsWith('SIP/2.0/UDP ')) {
      plainHop.lastIndex = 12
      if (plainHop.test(text)) return plainVia('UDP', text, 12)
    }
    const scanner = new Scanner(text)
    const via = scanVia(scanner)
    scanner.finish()
    return via
  }

  /** What can be read of a broken Via: enough to send an answer, if protocol and sent-by are whole. */
  static recover(this: void, text: string): Via | undefined {
    try {
      return scanVia(new Scanner(text), true)
    } catch (error) {
      if (error instanceof SipParseError) return undefined
      throw error
    }
  }

  get branch(): string | undefined {
    return this.params.value('branch')
  }

  /** Whether the branch is one of RFC 3261: the magic cookie and something after it. */
  get hasRfc3261Branch(): boolean {
    const { branch } = this
    return branch !== undefined && branch.length > magicCookie.length && branch.startsWith(magicCookie)
  }

  /** The address the request was seen to come from, without brackets. */
  get received(): string | undefined {
    const value = this.params.value('received')
    return value === undefined ? undefined : stripBrackets(value)
  }

  /** RFC 3581: `true` when asked for but not filled in, else the port. */
  get rport(): number | true | undefined {
    const value = this.params.get('rport')
    if (value === undefined || value === true) return value
    const port = /^\d{1,5}$/.test(value) ? Number(value) : 65_536
    return port > 65_535 ? true : port
  }

  get maddr(): string | undefined {
    const value = this.params.value('maddr')
    return value === undefined ? undefined : stripBrackets(value)
  }

  get ttl(): number | undefined {
    const value = this.params.value('ttl')
    return value !== undefined && /^\d{1,3}$/.test(value) ? Number(value) : undefined
  }

  /** `host:port` in one form for comparison: lower case, brackets, the port as written. */
  get sentBy(): string {
    return writeHostPort(canonicalHost(this.host), this.port)
  }

  with(change: Partial<ViaInit>): Via {
    return new Via({
      transport: change.transport ?? this.transport,
      host: change.host ?? this.host,
      port: 'port' in change ? change.port : this.port,
      params: 'params' in change ? change.params : this.params,
    })
  }

  withParam(name: string, value: string | true): Via {
    return this.with({ params: this.params.with(name, value) })
  }

  withoutParam(name: string): Via {
    return this.params.has(name) ? this.with({ params: this.params.without(name) }) : this
  }

  toString(): string {
    return `SIP/2.0/${this.transport} ${writeHostPort(this.host, this.port)}${this.params.toString()}`
  }
}

/** Host, port and parameters without space, quotes and brackets, up to the end: nearly every Via. */
const plainHop = new RegExp(
  `[${HOST.source}]+(?::\\d{1,5})?(?:;[${TOKEN.source}]+(?:=[${VALUE.source}]+)?)*$`,
  'y',
)

function plainVia(transport: string, text: string, at: number): Via {
  const semicolon = text.indexOf(';', at)
  const end = semicolon < 0 ? text.length : semicolon
  const colon = text.indexOf(':', at)
  const hostEnd = colon < 0 || colon > end ? end : colon
  const port = hostEnd === end ? undefined : decimal(text, hostEnd + 1, end)
  if (port !== undefined && port > 65_535) {
    throw new SipParseError('expected a port of 0 to 65535', { offset: hostEnd + 1 })
  }
  const params = semicolon < 0 ? Params.empty : Params.plain(text.slice(semicolon))
  return new Via({ transport, host: text.slice(at, hostEnd), port, params })
}

function decimal(text: string, from: number, to: number): number {
  let value = 0
  for (let at = from; at < to; at++) value = value * 10 + text.charCodeAt(at) - 48
  return value
}

/** Reads one `via-parm`; with `lenient`, parameters end at the first that cannot be read. */
export function scanVia(scanner: Scanner, lenient = false): Via {
  const { text } = scanner
  const protocol = scanner.token('a protocol name')
  scanner.expect(47)
  const version = scanner.token('a protocol version')
  scanner.expect(47)
  // A 505 must find its way back through a Via of the version that it refuses.
  if (!lenient && (protocol.toUpperCase() !== 'SIP' || version !== '2.0')) {
    throw scanner.fail(`the protocol is ${protocol}/${version}, not SIP/2.0`, 0)
  }
  const transport = scanner.token('a transport')
  const code = scanner.peek()
  if (code !== 32 && code !== 9) throw scanner.fail('expected a space after the transport')
  scanner.space()
  if (scanner.end === text.length) {
    plainHop.lastIndex = scanner.at
    if (plainHop.test(text)) {
      const via = plainVia(transport, text, scanner.at)
      scanner.at = scanner.end
      return via
    }
  }
  const { host, port, end } = scanHostPort(text, scanner.at, scanner.end, true)
  scanner.at = end
  let params = Params.empty
  try {
    params = scanParams(scanner)
  } catch (error) {
    if (!lenient) throw error
  }
  return new Via({ transport, host, port, params })
}
