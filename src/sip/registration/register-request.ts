/** Reads a REGISTER for the registrar (RFC 3261 §10.3 steps 6 and 7, RFC 3327, RFC 5626 §6). */
import type { Refusal } from '../dialog/core-types.ts'
import { Path } from '../message/headers/addresses.ts'
import { Supported } from '../message/headers/capabilities.ts'
import { Expires } from '../message/headers/session.ts'
import { SipParseError } from '../message/errors.ts'
import type { SipRequest } from '../message/message.ts'
import type { NameAddr } from '../message/name-addr.ts'
import type { Flow } from '../transport/flow.ts'
import type { ContactUpdate, RegisterUpdate } from './bindings.ts'
import type { Binding } from './location-store.ts'
import type { RegistrarPlan } from './registrar-options.ts'

export interface ReadRegister extends RegisterUpdate {
  readonly path: readonly string[]
  /** At least one contact is kept with its flow: `Require: outbound` in the answer. */
  readonly outbound: boolean
  /** The device wants GRUUs. */
  readonly gruu: boolean
}

type Common = Omit<Binding, 'uri' | 'params' | 'q' | 'expiresAt' | 'displayName' | 'instance' | 'regId'>

/** @returns what it asks for, or the refusal it gets */
export function readRegister(
  request: SipRequest,
  flow: Flow,
  plan: RegistrarPlan,
  now: number,
): ReadRegister | Refusal {
  const supported = new Set((request.get(Supported) ?? []).map(tag => tag.toLowerCase()))
  const path = (request.get(Path) ?? []).map(String)
  if (path.length > 0 && plan.pathWithoutSupport === 'refuse' && !supported.has('path')) {
    return { statusCode: 421, headers: [['Require', 'path']] } // RFC 3261 §21.4.16
  }
  const { callId, contacts } = request
  const { sequence } = request.cseq
  const base = { callId, sequence, path, gruu: plan.gruu && supported.has('gruu') }
  const header = expiresOf(request)
  if (contacts === '*') {
    // Step 6: only alone and with Expires: 0.
    if (header !== 0) return { statusCode: 400, reasonPhrase: 'Contact * Needs Expires 0' }
    return { ...base, removeAll: true, contacts: [], outbound: false }
  }
  const common: Common = {
    callId,
    sequence,
    updatedAt: now,
    path,
    source: {
      transport: flow.transport,
      address: flow.remote.address,
      port: flow.remote.port,
      flow: flow.id,
    },
    userAgent: request.headers.get('User-Agent'),
  }
  const keepsFlow = supported.has('outbound')
  const updates: ContactUpdate[] = []
  for (const contact of contacts) {
    const update = readContact(contact, header, common, keepsFlow, plan, now)
    if ('statusCode' in update) return update
    updates.push(update)
  }
  const outbound = updates.some(({ binding }) => binding.regId !== undefined)
  if (outbound && request.vias.length > 1 && !edgeKeepsFlow(request.get(Path) ?? [])) {
    return { statusCode: 439 } // RFC 5626 §6
  }
  return { ...base, removeAll: false, contacts: updates, outbound }
}

function readContact(
  contact: NameAddr,
  header: number | undefined,
  common: Common,
  keepsFlow: boolean,
  plan: RegistrarPlan,
  now: number,
): ContactUpdate | Refusal {
  const { params, displayName } = contact
  const { uri } = contact
  if (uri.kind === 'sip' && uri.rawHeaders !== '') {
    return { statusCode: 400, reasonPhrase: 'Contact With Headers' } // RFC 3261 §19.1.1, table 1
  }
  const asked = seconds(params.value('expires')) ?? header ?? plan.defaultExpires
  if (asked > 0 && asked < plan.minExpires) {
    return { statusCode: 423, headers: [['Min-Expires', String(plan.minExpires)]] }
  }
  const expiresSeconds = Math.min(asked, plan.maxExpires)
  const instance = params.value('+sip.instance')
  const named = instance !== undefined && /^<[^<>\s]+>$/.test(instance) ? instance : undefined
  const regId = seconds(params.value('reg-id'))
  return {
    uri,
    expiresSeconds,
    binding: {
      ...common,
      uri: contact.uriText,
      // What only the registrar says is not taken from a device (RFC 5627 §5.3).
      params: params.without('expires').without('pub-gruu').without('temp-gruu').toString(),
      q: quality(params.value('q')),
      expiresAt: now + expiresSeconds * 1000,
      displayName,
      instance: named,
      regId: keepsFlow && named !== undefined && regId !== undefined && regId > 0 ? regId : undefined,
    },
  }
}

/** A malformed Expires counts as 3600 (RFC 3261 §20.19 has it for the header, §10.2.1.1 for the parameter): as if it were not there. */
function expiresOf(request: SipRequest): number | undefined {
  try {
    return request.get(Expires)
  } catch (error) {
    if (error instanceof SipParseError) return undefined
    throw error
  }
}

function seconds(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Math.min(Number(text), 0xffff_ffff) : undefined
}

function quality(text: string | undefined): number {
  const q = text === undefined ? 1 : Number(text)
  return q >= 0 && q <= 1 ? q : 1
}

/** The last Path is that of the proxy nearest to the device: with `ob` in its URI it keeps flows. */
function edgeKeepsFlow(path: readonly NameAddr[]): boolean {
  const edge = path.at(-1)?.uri
  return edge?.kind === 'sip' && edge.params.has('ob')
}
