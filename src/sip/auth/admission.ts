import type { Clock, Random } from '../../runtime/runtime.ts'
import type { SipRequest } from '../message/message.ts'
import type { Flow } from '../transport/flow.ts'

/** The request comes from somebody we know. */
export interface Admitted {
  readonly kind: 'admitted'
  /** The policy that knew the sender: `digest`, `address`, `certificate`, `secret`, or a name of yours. */
  readonly by: string
  /** Who it is, where the policy knows. */
  readonly user?: string
  readonly realm?: string
  /** The sender belongs to our trust domain (RFC 3325 §2.3): what it asserts about callers may be believed. Default false. */
  readonly trusted?: boolean
}

/** The request is answered with this status, and nothing else happens. */
export interface Refused {
  readonly kind: 'refused'
  readonly statusCode: number
  readonly reasonPhrase?: string
  readonly headers?: readonly (readonly [name: string, value: string])[]
}

/** The request is not answered at all: a scanner learns nothing, not even that somebody is here. */
export interface Dropped {
  readonly kind: 'dropped'
}

export type Admission = Admitted | Refused | Dropped

/** What policies may need of the endpoint they work for. */
export interface AdmissionHost {
  readonly clock: Clock
  readonly random: Random
}

/** Decides about one request; undefined: it is not mine to decide, ask the next. */
export type AdmissionPolicy = (
  request: SipRequest,
  flow: Flow,
  host: AdmissionHost,
) => Admission | undefined | Promise<Admission | undefined>

/** Asks one policy after the other; the first that decides has decided. */
export function firstOf(...policies: readonly AdmissionPolicy[]): AdmissionPolicy {
  return (request, flow, host) => {
    const from = (index: number): ReturnType<AdmissionPolicy> => {
      for (let at = index; at < policies.length; at++) {
        const decided = policies[at]?.(request, flow, host)
        if (decided === undefined) continue
        if (!('then' in decided)) return decided
        return decided.then(value => value ?? from(at + 1))
      }
      return undefined
    }
    return from(0)
  }
}
