import type { SipError } from '../../runtime/errors.ts'
import type { DigestClient, DigestExchange } from '../auth/client.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import { requestWithFailover } from '../transaction/failover.ts'
import type { TransactionLayer } from '../transaction/transaction-layer.ts'
import type { Destination } from '../transport/destination.ts'
import type { Flow } from '../transport/flow.ts'
import type { Target } from '../transport/locate.ts'

/** One attempt: a new request (its CSeq counted up) and where it goes. */
export interface Attempt {
  readonly request: SipRequest
  readonly destination: Destination
  /** Called before the request goes to a server of a domain, with the way it goes. */
  readonly prepare?: (request: SipRequest, destination: Destination) => void
}

export interface FinalResponse {
  readonly response: SipResponse
  /** As it was answered: at the next server it is another one than at the first. */
  readonly request: SipRequest
  /** Where the server was found by its domain. */
  readonly target: Target | undefined
  /** What the request went over. */
  readonly flow: Flow | undefined
}

/** Adds the credentials for realms known so far (RFC 3261 §22.2, §22.3). */
export function addCredentials(request: SipRequest, exchange: DigestExchange | undefined): void {
  if (exchange === undefined) return
  const fields = exchange.authorise({
    method: request.method,
    uri: request.requestUri,
    body: request.body,
  })
  for (const [name, value] of fields) request.headers.append(name, value)
}

export function isChallenge(response: SipResponse): boolean {
  return response.statusCode === 401 || response.statusCode === 407
}

/**
 * Sends one request that is not an INVITE, to the next server of a domain where one fails (RFC 3263 §4.3), and waits for its final response.
 * @throws SipTimeoutError, SipTransportError
 */
export function sendOnce(transactions: TransactionLayer, attempt: Attempt): Promise<FinalResponse> {
  return new Promise((resolve, reject) => {
    const transaction = requestWithFailover(transactions, attempt.request, attempt)
    transaction.onResponse = response => {
      if (response.statusCode < 200) return
      const { request, target, flow } = transaction
      resolve({ response, request, target, flow })
    }
    transaction.onTimeout = (error: SipError) => reject(error)
    transaction.onTransportError = (error: SipError) => reject(error)
  })
}

/**
 * Sends a request that is not an INVITE, answers 401 and 407 with the next attempt, and gives the final response, whatever it is. Without
 * credentials the challenge itself is the final response.
 * @throws SipTimeoutError, SipTransportError, SipAuthError
 */
export async function sendAuthenticated(
  transactions: TransactionLayer,
  digest: DigestClient | undefined,
  attempt: () => Attempt,
): Promise<FinalResponse> {
  const exchange = digest?.exchange()
  let challenger: Target | undefined
  for (;;) {
    const next = attempt()
    addCredentials(next.request, exchange)
    const final = await sendOnce(transactions, {
      ...next,
      destination: towards(next.destination, challenger),
    })
    challenger = final.target
    if (exchange === undefined || !isChallenge(final.response)) return final
    await exchange.challenged(final.response)
  }
}

/** The answer to a challenge goes to the server that made it: another one of the domain need not know its nonce. */
export function towards(destination: Destination, challenger: Target | undefined): Destination {
  return challenger === undefined ? destination : { ...destination, first: challenger }
}
