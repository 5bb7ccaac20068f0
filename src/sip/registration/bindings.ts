/** What a REGISTER does to the bindings of an address of record (RFC 3261 §10.3), without any I/O. */
import { parseUri } from '../message/uri.ts'
import type { Uri } from '../message/uri.ts'
import type { Binding, BindingChange } from './location-store.ts'

/** One Contact of a REGISTER. */
export interface ContactUpdate {
  readonly uri: Uri
  /** 0 takes the binding away. */
  readonly expiresSeconds: number
  /** The binding as it would be stored. */
  readonly binding: Binding
}

export interface RegisterUpdate {
  readonly callId: string
  readonly sequence: number
  /** `Contact: *`. */
  readonly removeAll: boolean
  readonly contacts: readonly ContactUpdate[]
}

/** `repeated`: a REGISTER that came before, or out of order (§10.3 step 7). */
export type BindingRefusal = 'out-of-order' | 'too-many'

export interface BindingOutcome {
  readonly refused: BindingRefusal | undefined
  /** What holds now, expired ones left out. */
  readonly bindings: readonly Binding[]
  readonly added: readonly Binding[]
  readonly refreshed: readonly Binding[]
  readonly removed: readonly Binding[]
}

/**
 * All of a REGISTER or nothing (§10.3): each contact replaces the binding it is equal to, or the one of the same instance and flow
 * (RFC 5626 §6), unless that was made by a later request of the same Call-ID.
 * @param now milliseconds since the Unix epoch
 */
export function changeBindings(
  stored: readonly Binding[],
  update: RegisterUpdate,
  now: number,
  maxContacts: number,
): BindingChange<BindingOutcome> {
  const living = stored.filter(({ expiresAt }) => expiresAt > now)
  const refuse = (refused: BindingRefusal): BindingChange<BindingOutcome> => ({
    bindings: stored,
    result: { refused, bindings: living, added: [], refreshed: [], removed: [] },
  })
  const stale = (binding: Binding): boolean =>
    binding.callId === update.callId && update.sequence <= binding.sequence
  if (update.removeAll) {
    if (living.some(stale)) return refuse('out-of-order')
    return {
      bindings: [],
      result: { refused: undefined, bindings: [], added: [], refreshed: [], removed: living },
    }
  }
  const next = [...living]
  const added: Binding[] = []
  const refreshed: Binding[] = []
  const removed: Binding[] = []
  for (const contact of update.contacts) {
    const at = next.findIndex(binding => isSame(binding, contact))
    const old = next[at]
    if (old !== undefined && stale(old)) return refuse('out-of-order')
    if (contact.expiresSeconds === 0) {
      if (old === undefined) continue
      next.splice(at, 1)
      removed.push(old)
    } else if (old === undefined) {
      next.push(contact.binding)
      added.push(contact.binding)
    } else {
      next[at] = contact.binding
      refreshed.push(contact.binding)
    }
  }
  if (next.length > maxContacts && next.length > living.length) return refuse('too-many')
  const unchanged = update.contacts.length === 0 && living.length === stored.length
  return {
    bindings: unchanged ? stored : next,
    result: { refused: undefined, bindings: next, added, refreshed, removed },
  }
}

/** RFC 3261 §10.3 step 7: by URI; with outbound, by instance and reg-id (RFC 5626 §6). */
function isSame(binding: Binding, { uri, binding: candidate }: ContactUpdate): boolean {
  if (candidate.regId !== undefined && binding.regId !== undefined) {
    return (
      candidate.regId === binding.regId &&
      candidate.instance?.toLowerCase() === binding.instance?.toLowerCase()
    )
  }
  if (binding.uri === candidate.uri) return true
  try {
    return parseUri(binding.uri).equals(uri)
  } catch {
    return false
  }
}
