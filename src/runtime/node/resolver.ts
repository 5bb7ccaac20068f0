import dns from 'node:dns'
import { isIP } from 'node:net'
import { SipError } from '../errors.ts'
import type { NaptrRecord, ResolvedAddress, Resolver, SrvRecord } from '../runtime.ts'
import { systemCode } from '../transport-error.ts'

/** For answers whose time to live the system does not tell: short, so that a change is seen soon. */
const UNKNOWN_TTL_SECONDS = 60
const NUMERIC_TTL_SECONDS = 0x7fffffff

/** How long a time to live is waited for once the addresses are there. */
const TTL_GRACE_MS = 100

const NOT_THERE: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA'])

/**
 * The names that the system knows. Addresses come from `getaddrinfo`, as everywhere on the machine (hosts file, search
 * domains, mDNS), with the time to live from DNS where it says so; SRV and NAPTR come from DNS, and Node does not tell
 * their time to live: they get 60 seconds. `dns.setServers` of the host program is respected.
 */
export class NodeResolver implements Resolver {
  async address(host: string): Promise<readonly ResolvedAddress[]> {
    const numeric = isIP(host)
    if (numeric === 4 || numeric === 6) {
      return [{ address: host, family: numeric, ttlSeconds: NUMERIC_TTL_SECONDS }]
    }
    const local = host === 'localhost' || host.endsWith('.localhost')
    const lives = local ? Promise.resolve(new Map<string, number>()) : timesToLive(host)
    const found = await ask(host, 'address', () =>
      dns.promises.lookup(host, { all: true, order: 'verbatim' }),
    )
    if (found.length === 0) return []
    const known = await Promise.race([lives, nothingAfter(TTL_GRACE_MS)])
    return found.map(({ address, family }) => ({
      address,
      family: family === 6 ? 6 : 4,
      ttlSeconds: known?.get(address) ?? UNKNOWN_TTL_SECONDS,
    }))
  }

  async srv(name: string): Promise<readonly SrvRecord[]> {
    const records = await ask(name, 'SRV', () => dns.promises.resolveSrv(name))
    return records.map(({ name: host, port, priority, weight }) => ({
      host,
      port,
      priority,
      weight,
      ttlSeconds: UNKNOWN_TTL_SECONDS,
    }))
  }

  async naptr(name: string): Promise<readonly NaptrRecord[]> {
    const records = await ask(name, 'NAPTR', () => dns.promises.resolveNaptr(name))
    return records.map(({ order, preference, flags, service, replacement }) => ({
      order,
      preference,
      flags,
      service,
      replacement,
      ttlSeconds: UNKNOWN_TTL_SECONDS,
    }))
  }
}

async function ask<T>(name: string, kind: string, query: () => Promise<T[]>): Promise<T[]> {
  try {
    return await query()
  } catch (cause) {
    const code = systemCode(cause)
    if (code !== undefined && NOT_THERE.has(code)) return []
    throw new SipError(
      'SIP_RESOLVE',
      `no answer to the ${kind} query for '${name}' (${code ?? String(cause)}): check the name and the DNS server, or use a numeric address`,
      { cause },
    )
  }
}

async function timesToLive(host: string): Promise<Map<string, number>> {
  const answers = await Promise.allSettled([
    dns.promises.resolve4(host, { ttl: true }),
    dns.promises.resolve6(host, { ttl: true }),
  ])
  const lives = new Map<string, number>()
  for (const answer of answers) {
    if (answer.status === 'fulfilled') for (const { address, ttl } of answer.value) lives.set(address, ttl)
  }
  return lives
}

function nothingAfter(ms: number): Promise<undefined> {
  return new Promise(resolve => {
    setTimeout(resolve, ms, undefined).unref()
  })
}
