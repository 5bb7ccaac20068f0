import { OptionError } from '../../runtime/errors.ts'
import { firstOf } from '../../sip/auth/admission.ts'
import type { AdmissionPolicy } from '../../sip/auth/admission.ts'
import type { UsernamePassword } from '../../sip/auth/client.ts'
import { admitAddresses, admitSecret } from '../../sip/auth/policies.ts'
import type { KnownSender } from '../../sip/auth/policies.ts'
import { admitDigest } from '../../sip/auth/server-digest.ts'
import type { TrunkOptions } from './options.ts'

export interface AdmitTrunkOptions extends Pick<KnownSender, 'trusted'> {
  /** A header that carries a secret, asked for over TLS only unless `secureOnly` is false. */
  readonly header?: { readonly name: string; readonly secret: string; readonly secureOnly?: boolean }
  /**
   * A user name and password that the carrier is to prove: LiveKit and Twilio's `<Sip>` can, Twilio's trunks cannot. Everybody nobody else knows is challenged: put it
   * last.
   */
  readonly digest?: UsernamePassword & { readonly realm: string; readonly proxy?: boolean }
}

/**
 * Lets in what comes from a trunk: from its `sources`, with its secret header, or with its password; any one of them will do. `trunkOf(call)` names it.
 * Give it to `admission` of the endpoint.
 * @throws OptionError nothing is there to know it by
 */
export function admitTrunk(
  { name, sources, carrier }: TrunkOptions,
  { header, digest, trusted = false }: AdmitTrunkOptions = {},
): AdmissionPolicy {
  const sender = { user: name, trusted }
  const policies: AdmissionPolicy[] = []
  if (sources.length > 0) policies.push(admitAddresses(sources, sender))
  if (header !== undefined) {
    const { name: field, secret, secureOnly = true } = header
    policies.push(admitSecret({ ...sender, header: field, secrets: [secret], secureOnly }))
  }
  if (digest !== undefined) policies.push(byPassword(name, digest, trusted))
  if (policies.length === 0)
    throw new OptionError(
      'sources',
      `give the addresses that calls of ${carrier.title} come from (see its documentation), or header or digest to admitTrunk`,
    )
  return firstOf(...policies)
}

/** Old platforms know nothing but MD5, and write another `uri` than the Request-URI. */
function byPassword(
  trunk: string,
  { username, password, realm, proxy = false }: NonNullable<AdmitTrunkOptions['digest']>,
  trusted: boolean,
): AdmissionPolicy {
  const policy = admitDigest({
    realm,
    proxy,
    trusted,
    anyUri: true,
    algorithms: ['SHA-256', 'MD5'],
    secretOf: user => (user === username ? { password } : undefined),
  })
  return async (request, flow, host) => {
    const decided = await policy(request, flow, host)
    return decided?.kind === 'admitted' ? { ...decided, user: trunk } : decided
  }
}
