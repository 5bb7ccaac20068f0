import type { IncomingCall } from '../incoming-call.ts'
import { trunkOf } from '../trunks/carrier-trunk.ts'
import type { ToE164 } from './e164.ts'
import type { CallFacts } from './types.ts'

export interface FactOptions {
  readonly normalise: ToE164
  /** Of calls that do not say. */
  readonly environment: string
  /** A header in which callers name the environment. Its value counts only where the sender is `trusted` or came by a trunk. */
  readonly environmentHeader?: string
}

/** What routes look at, out of the INVITE. */
export function callFacts(call: IncomingCall, options: FactOptions): CallFacts {
  const { normalise } = options
  const { requestUri } = call.invite
  const user = userOf(requestUri)
  const header = (name: string): readonly string[] => call.headers.getAll(name)
  const known = trunkOf(call)
  const { caller } = call.identity
  const shown = caller.number ?? userOf(caller.address?.uriText ?? '')
  // Trunks that register ring the user they registered, and leave the number in To.
  const dialled = normalise(user) ?? normalise(userOf(call.local.uriText)) ?? user
  return {
    dialled,
    caller: caller.restricted ? '' : (normalise(shown) ?? shown),
    uri: requestUri,
    trunk: known,
    environment: environmentOf(call, options, known, header) ?? options.environment,
    header,
  }
}

function environmentOf(
  call: IncomingCall,
  { environmentHeader }: FactOptions,
  trunk: string | undefined,
  header: CallFacts['header'],
): string | undefined {
  if (environmentHeader === undefined || (trunk === undefined && !call.identity.trusted)) return undefined
  const value = header(environmentHeader)[0]?.trim()
  return value !== undefined && /^[\w.-]{1,64}$/.test(value) ? value : undefined
}

/** The user part of a SIP URI, the number of a tel URI; parameters left out (RFC 3966, RFC 3261 §19.1.1). */
function userOf(uri: string): string {
  const text = /^(?:sips?:([^@]*)@|tel:(.*))/i.exec(uri)
  const user = (text?.[1] ?? text?.[2] ?? '').split(/[;:]/)[0] ?? ''
  try {
    return decodeURIComponent(user)
  } catch {
    return user
  }
}
