import type { SipError } from '../runtime/errors.ts'
import { SipError as SipErrorClass } from '../runtime/errors.ts'
import { firstOf } from '../sip/auth/admission.ts'
import type { AdmissionHost, AdmissionPolicy } from '../sip/auth/admission.ts'
import { AdmissionGate } from '../sip/dialog/admission-gate.ts'

/** Who may reach an endpoint. */
export interface EndpointAdmissionOptions {
  /**
   * Asked, one after the other, about every request that begins something (INVITE, OPTIONS, MESSAGE ...): the first policy that decides has
   * decided, and who none of them knows gets 403. Nobody refused reaches a handler, and no call or port is made for them. Default: everybody is let
   * in, which is for closed networks only.
   */
  readonly admission?: AdmissionPolicy | readonly AdmissionPolicy[]
}

/** The door of an endpoint; undefined where it stands open. */
export function gateOf(
  { admission }: EndpointAdmissionOptions,
  host: AdmissionHost,
  report: (error: SipError) => void,
): AdmissionGate | undefined {
  if (admission === undefined) return undefined
  const policy = typeof admission === 'function' ? admission : firstOf(...admission)
  return new AdmissionGate({
    policy,
    host,
    onError: cause =>
      report(
        new SipErrorClass(
          'SIP_STATE',
          `an admission policy threw, and its request was answered 500: ${cause instanceof Error ? cause.message : String(cause)}`,
          { cause },
        ),
      ),
  })
}
