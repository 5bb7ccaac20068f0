import { Buffer } from 'node:buffer'
/** Canonical header names and their compact forms. A name's position, from 1, is its id; 0 is an unknown header. */
const table: readonly (readonly [name: string, compact?: string])[] = [
  ['Via', 'v'],
  ['From', 'f'],
  ['To', 't'],
  ['Call-ID', 'i'],
  ['CSeq'],
  ['Contact', 'm'],
  ['Content-Length', 'l'],
  ['Content-Type', 'c'],
  ['Max-Forwards'],
  ['Route'],
  ['Record-Route'],
  ['Accept'],
  ['Accept-Contact', 'a'],
  ['Accept-Encoding'],
  ['Accept-Language'],
  ['Accept-Resource-Priority'],
  ['Alert-Info'],
  ['Allow'],
  ['Allow-Events', 'u'],
  ['Answer-Mode'],
  ['Authentication-Info'],
  ['Authorization'],
  ['Call-Info'],
  ['Content-Disposition'],
  ['Content-Encoding', 'e'],
  ['Content-ID'],
  ['Content-Language'],
  ['Content-Transfer-Encoding'],
  ['Date'],
  ['Diversion'],
  ['Error-Info'],
  ['Event', 'o'],
  ['Expires'],
  ['Feature-Caps'],
  ['Flow-Timer'],
  ['Geolocation'],
  ['Geolocation-Error'],
  ['Geolocation-Routing'],
  ['History-Info'],
  ['Identity', 'y'],
  ['Identity-Info', 'n'],
  ['In-Reply-To'],
  ['Info-Package'],
  ['Join'],
  ['Max-Breadth'],
  ['MIME-Version'],
  ['Min-Expires'],
  ['Min-SE'],
  ['Organization'],
  ['P-Access-Network-Info'],
  ['P-Asserted-Identity'],
  ['P-Associated-URI'],
  ['P-Called-Party-ID'],
  ['P-Charge-Info'],
  ['P-Charging-Vector'],
  ['P-Early-Media'],
  ['P-Preferred-Identity'],
  ['Path'],
  ['Priority'],
  ['Privacy'],
  ['Proxy-Authenticate'],
  ['Proxy-Authentication-Info'],
  ['Proxy-Authorization'],
  ['Proxy-Require'],
  ['RAck'],
  ['Reason'],
  ['Recv-Info'],
  ['Refer-Sub'],
  ['Refer-To', 'r'],
  ['Referred-By', 'b'],
  ['Reject-Contact', 'j'],
  ['Remote-Party-ID'],
  ['Replaces'],
  ['Reply-To'],
  ['Request-Disposition', 'd'],
  ['Require'],
  ['Resource-Priority'],
  ['Retry-After'],
  ['RSeq'],
  ['Security-Client'],
  ['Security-Server'],
  ['Security-Verify'],
  ['Server'],
  ['Service-Route'],
  ['Session-Expires', 'x'],
  ['Session-ID'],
  ['SIP-ETag'],
  ['SIP-If-Match'],
  ['Subject', 's'],
  ['Subscription-State'],
  ['Supported', 'k'],
  ['Suppress-If-Match'],
  ['Target-Dialog'],
  ['Timestamp'],
  ['Unsupported'],
  ['User-Agent'],
  ['User-to-User'],
  ['Warning'],
  ['WWW-Authenticate'],
]

export const ids = {
  via: 1,
  from: 2,
  to: 3,
  callId: 4,
  cseq: 5,
  contact: 6,
  contentLength: 7,
  contentType: 8,
} as const

const lowerNames: string[] = ['']
/** Every spelling of a known name in lower case. */
const idsByLowerName = new Map<string, number>()
for (const [index, [name, compact]] of table.entries()) {
  lowerNames.push(name.toLowerCase())
  idsByLowerName.set(name.toLowerCase(), index + 1)
  if (compact !== undefined) idsByLowerName.set(compact, index + 1)
}

/** The usual spelling of a known name. */
export function canonicalName(id: number): string | undefined {
  return table[id - 1]?.[0]
}

export function compactName(id: number): string | undefined {
  return table[id - 1]?.[1]
}

/** The id of a header name in any case, short or long; 0 if it is not in the table. */
export function idOf(name: string): number {
  return idsByLowerName.get(name.toLowerCase()) ?? 0
}

/*
 * The parser looks names up where they stand in the datagram, without cutting them out: by a hash of their length and
 * three of their letters, then by comparing the names with that hash.
 */
const hashMask = 1023
const slots = new Uint8Array(hashMask + 1)
const spellings: Buffer[] = [Buffer.alloc(0)]
const spellingIds: number[] = [0]

function slotOf(bytes: Uint8Array, from: number, to: number): number {
  const first = (bytes[from] as number) | 32
  const middle = (bytes[(from + to) >> 1] as number) | 32
  const last = (bytes[to - 1] as number) | 32
  return ((to - from) * 31 + first * 7 + middle * 61 + last * 3) & hashMask
}

for (const [lower, id] of idsByLowerName) {
  const bytes = Buffer.from(lower)
  let slot = slotOf(bytes, 0, bytes.length)
  while (slots[slot] !== 0) slot = (slot + 1) & hashMask
  slots[slot] = spellings.length
  spellings.push(bytes)
  spellingIds.push(id)
}

/** The id of the name that stands at `from` up to `to`; 0 for an unknown one. */
export function idAt(bytes: Uint8Array, from: number, to: number): number {
  let slot = slotOf(bytes, from, to)
  for (;;) {
    const index = slots[slot] as number
    if (index === 0) return 0
    if (matches(bytes, from, to, spellings[index] as Buffer)) return spellingIds[index] as number
    slot = (slot + 1) & hashMask
  }
}

function matches(bytes: Uint8Array, from: number, to: number, lower: Buffer): boolean {
  const { length } = lower
  if (length !== to - from) return false
  for (let at = 0; at < length; at++) {
    const code = bytes[from + at] as number
    const wanted = lower[at] as number
    // Below 64 there are no letters: CR with that bit set would pass for a hyphen.
    if (code !== wanted && ((code | 32) !== wanted || code < 64)) return false
  }
  return true
}
