import { OptionError } from '../../runtime/errors.ts'
import type { SipResponse } from '../message/message.ts'
import { methods } from '../message/methods.ts'
import type { ChangingSession } from './changes.ts'
import { endsDialog } from './defaults.ts'
import type { Dialog } from './dialog.ts'
import { sendAuthenticated } from './outgoing.ts'
import { isUnanswered } from './session-end.ts'
import { routeOver } from './session-host.ts'
import type { RequestInDialogOptions } from './session-types.ts'

/** Methods the session sends when it is their time. */
const ownMethods: ReadonlySet<string> = new Set(['INVITE', 'ACK', 'CANCEL', 'BYE', 'PRACK'])

/**
 * A request of the owner's in the dialog: challenges are answered, the target refreshed where the method does that, and the session is lost with a 481 or
 * 408 or without an answer (RFC 3261 §12.2.1.2, RFC 5057 §5.1).
 * @throws OptionError a method, or an offer, that is the session's own affair
 * @throws SipTimeoutError, SipTransportError, SipAuthError
 */
export async function requestInDialog(
  session: ChangingSession,
  dialog: Dialog,
  method: string,
  options: RequestInDialogOptions,
): Promise<SipResponse> {
  if (ownMethods.has(method)) {
    throw new OptionError('method', `${method} is the session's own: use hangup() or reinvite()`)
  }
  if (method === 'UPDATE' && options.body !== undefined) {
    throw new OptionError('body', 'an offer changes the session: use reinvite()')
  }
  const { host } = session
  const digest = options.credentials === undefined ? session.digest : host.digest(options.credentials)
  const facts = methods.get(method)
  const own = facts?.needsContact === true ? session.targetHeaders('request') : host.identity('request')
  try {
    const { response, flow } = await sendAuthenticated(host.transactions, digest, () => {
      const { request, nextHop } = dialog.createRequest(method, {
        headers: [...own, ...(options.headers ?? [])],
        ...(options.body === undefined ? {} : { body: options.body }),
      })
      if (method === 'UPDATE') session.timer?.outgoing(request)
      return { request, destination: routeOver({ request, nextHop }, session.flow) }
    })
    session.useFlow(flow)
    if (facts?.refreshesTarget === true && response.statusCode < 300) dialog.refreshTarget(response)
    if (method === 'UPDATE' && response.statusCode < 300) session.timer?.accepted(response)
    if (endsDialog(method, response.statusCode)) session.lost(response)
    return response
  } catch (error) {
    if (isUnanswered(error)) session.lost(error)
    throw error
  }
}
