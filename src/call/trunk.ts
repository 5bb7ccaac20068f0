import type { Credentials } from '../sip/auth/client.ts'

/** An identity at a provider or PBX: as whom to call, through whom, and how to answer a 401 or 407. */
export interface Trunk {
  /** Address of record, for example `sip:acme@trunk.example`: what From says. */
  readonly aor: string
  readonly displayName?: string
  /** Where every request goes first, for example `sip:sbc.example:5080;transport=tcp`; it routes loosely (`lr` is added). */
  readonly outboundProxy?: string
  /** The user name and password of a challenge, or a function that is asked for them with each challenge. */
  readonly credentials?: Credentials
}
