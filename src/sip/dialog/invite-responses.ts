import { OptionError } from '../../runtime/errors.ts'
import { createResponse } from '../message/build.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import { NameAddr } from '../message/name-addr.ts'
import { checkLine } from './checked.ts'
import type { HeaderList, SessionBody } from './session-types.ts'

/** @throws OptionError */
export function checkProvisional(statusCode: number): void {
  if (!Number.isInteger(statusCode) || statusCode < 101 || statusCode > 199) {
    throw new OptionError('statusCode', `${statusCode} is not provisional; give 101 to 199`)
  }
}

/** Any response to the INVITE. @throws OptionError, SipSerialiseError what cannot be sent */
export function inviteResponse(
  invite: SipRequest,
  toTag: string,
  statusCode: number,
  headers: HeaderList,
  {
    reasonPhrase,
    body,
  }: Partial<Record<'reasonPhrase', string | undefined>> & { readonly body?: SessionBody | undefined },
): SipResponse {
  checkLine('reasonPhrase', reasonPhrase)
  return createResponse(invite, statusCode, {
    toTag,
    headers,
    ...(reasonPhrase === undefined ? {} : { reasonPhrase }),
    ...(body === undefined ? {} : { body: body.body, contentType: body.contentType }),
  })
}

/** What stands in a Contact has to be readable for the caller, or the redirection leads nowhere. */
export function readTarget(target: string, index: number): string {
  try {
    const address = NameAddr.parse(target)
    void address.uri
    return address.toString()
  } catch (cause) {
    throw new OptionError(
      `targets[${index}]`,
      `it cannot be read as an address (${(cause as Error).message}); write sip:user@host`,
      { cause },
    )
  }
}
