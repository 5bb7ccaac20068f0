import { createHmac, createSecretKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { ProxyRequire } from '../message/headers/capabilities.ts'
import { Route } from '../message/headers/core.ts'
import type { SipRequest } from '../message/message.ts'
import { magicCookie } from '../message/via.ts'

/** 64 bits are enough where a collision costs one call and the key is secret. */
const length = 11

/**
 * What a proxy writes into messages to know them again: loop hashes in branches, tokens in Record-Route. All keyed, so that
 * nobody else can make them, and what is found in a message is known to be ours without any table.
 */
export class Fingerprint {
  readonly #key: KeyObject
  readonly #loopKey: KeyObject

  /** `loopKey`: of this instance alone, so that proxies which share `key` can send to each other. Default: `key`. */
  constructor(key: Uint8Array, loopKey: Uint8Array = key) {
    this.#key = createSecretKey(key)
    this.#loopKey = createSecretKey(loopKey)
  }

  of(kind: string, parts: readonly string[]): string {
    const hash = createHmac('sha256', kind === 'loop' ? this.#loopKey : this.#key)
    for (const part of [kind, ...parts]) hash.update(`${part.length}:${part}`)
    return hash.digest('base64url').slice(0, length)
  }

  /**
   * Of all that decides where a request goes (RFC 3261 §16.6 8, RFC 5393 §4.2): equal when it comes round unchanged, a loop;
   * different in a spiral. The Vias are left out, for they grow, and the method, so that an ACK takes the way of its INVITE.
   */
  loop(request: SipRequest, withCredentials: boolean): string {
    const { headers, callId, cseq, from } = request
    return this.of('loop', [
      request.requestUri,
      (request.get(Route) ?? []).join(','),
      from.tag ?? '',
      callId,
      String(cseq.sequence),
      (request.get(ProxyRequire) ?? []).join(','),
      ...(withCredentials ? headers.getAll('Proxy-Authorization') : []),
    ])
  }

  /** Whether the request bears a Via that we put there when it looked the same (§16.3 4). */
  isLoop(request: SipRequest, withCredentials: boolean): boolean {
    let mine: string | undefined
    for (const { branch } of request.vias) {
      if (branch === undefined || !branch.startsWith(magicCookie)) continue
      const at = branch.lastIndexOf(separator)
      if (at < 0) continue
      mine ??= this.loop(request, withCredentials)
      if (branch.slice(at + 1) === mine) return true
    }
    return false
  }
}

/** Between the unique part of a branch and its loop hash; base64url has none. */
const separator = '*'

export function branchOf(unique: string, loop: string): string {
  return `${magicCookie}${unique}${separator}${loop}`
}
