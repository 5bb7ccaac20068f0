import type { Admission, AdmissionHost, AdmissionPolicy, Admitted } from '../auth/admission.ts'
import type { ServerTransaction } from '../transaction/server-transaction.ts'
import type { Refusal } from './core-types.ts'

/** Counters of an endpoint's door, since it was made; `pending` is a gauge. */
export interface AdmissionStats {
  readonly admitted: number
  /** Answered 401 or 407: most come back with credentials. */
  readonly challenged: number
  readonly refused: number
  /** Not answered at all. */
  readonly dropped: number
  /** The policy threw: answered 500. */
  readonly failed: number
  /** Answered 503 because too many were waiting for a policy. */
  readonly overloaded: number
  readonly pending: number
}

export interface AdmissionGateOptions {
  readonly policy: AdmissionPolicy
  readonly host: AdmissionHost
  /** Requests that may wait for a policy at once; one more is answered 503. Default 1,000. */
  readonly maxPending?: number
  /** Hears what a policy threw. */
  readonly onError?: (error: unknown) => void
}

export interface AdmissionOutcomes {
  readonly admitted: (admitted: Admitted) => void
  readonly refused: (refusal: Refusal) => void
}

/** Lets requests outside dialogs in, or not, before anybody else sees them. */
export class AdmissionGate {
  readonly #options: AdmissionGateOptions
  readonly #stats = {
    admitted: 0,
    challenged: 0,
    refused: 0,
    dropped: 0,
    failed: 0,
    overloaded: 0,
    pending: 0,
  }

  constructor(options: AdmissionGateOptions) {
    this.#options = options
  }

  stats(): AdmissionStats {
    return { ...this.#stats }
  }

  /** Calls one of `outcomes`, or none when the request is dropped; at once where the policy decides at once. */
  pass(transaction: ServerTransaction, outcomes: AdmissionOutcomes): void {
    const { policy, host, maxPending = 1_000 } = this.#options
    let decided: ReturnType<AdmissionPolicy>
    try {
      decided = policy(transaction.request, transaction.flow, host)
    } catch (error) {
      this.#failed(error, outcomes)
      return
    }
    if (decided === undefined || !('then' in decided)) {
      this.#apply(decided, transaction, outcomes)
      return
    }
    if (this.#stats.pending >= maxPending) {
      decided.catch(() => {})
      this.#stats.overloaded++
      outcomes.refused({ statusCode: 503, headers: [['Retry-After', '5']] })
      return
    }
    void this.#wait(decided, transaction, outcomes)
  }

  async #wait(
    deciding: Promise<Admission | undefined>,
    transaction: ServerTransaction,
    outcomes: AdmissionOutcomes,
  ): Promise<void> {
    let over = false
    transaction.onCancel = () => {
      over = true
      outcomes.refused({ statusCode: 487 }) // RFC 3261 §9.2
    }
    transaction.onTerminated = () => {
      over = true
    }
    this.#stats.pending++
    let decided: Admission | undefined
    let failure: { readonly error: unknown } | undefined
    try {
      decided = await deciding
    } catch (error) {
      failure = { error }
    }
    this.#stats.pending--
    transaction.onCancel = undefined
    transaction.onTerminated = undefined
    if (over) return
    if (failure === undefined) this.#apply(decided, transaction, outcomes)
    else this.#failed(failure.error, outcomes)
  }

  #apply(decided: Admission | undefined, transaction: ServerTransaction, outcomes: AdmissionOutcomes): void {
    if (decided === undefined) {
      this.#stats.refused++
      outcomes.refused({ statusCode: 403 })
    } else if (decided.kind === 'admitted') {
      this.#stats.admitted++
      outcomes.admitted(decided)
    } else if (decided.kind === 'dropped') {
      this.#stats.dropped++
      transaction.discard()
    } else {
      const { statusCode, reasonPhrase, headers } = decided
      this.#stats[statusCode === 401 || statusCode === 407 ? 'challenged' : 'refused']++
      outcomes.refused({
        statusCode,
        ...(reasonPhrase === undefined ? {} : { reasonPhrase }),
        ...(headers === undefined ? {} : { headers }),
      })
    }
  }

  #failed(error: unknown, outcomes: AdmissionOutcomes): void {
    this.#stats.failed++
    this.#options.onError?.(error)
    outcomes.refused({ statusCode: 500 })
  }
}
