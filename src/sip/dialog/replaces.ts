/** What becomes of an INVITE with Replaces (RFC 3891 §3), as a table. */
import type { DialogReference } from '../message/headers/session.ts'
import { Replaces } from '../message/headers/session.ts'
import type { SipRequest } from '../message/message.ts'
import { Params } from '../message/params.ts'
import type { Refusal } from './core-types.ts'

/** A call of ours as Replaces sees it. */
export interface ReplaceableDialog {
  readonly callId: string
  readonly localTag: string
  /** One, or those of all forks of an INVITE that rings. */
  readonly remoteTags: readonly string[]
  readonly role: 'client' | 'server'
  readonly state: 'early' | 'confirmed' | 'terminated'
}

/**
 * The reference that replaces a call of ours, seen from the peer of that call: our remote tag is its local one, and goes into to-tag; ours goes into
 * from-tag (RFC 3891 §4: the tags as the peer that gets the INVITE has them).
 */
export function replacesFor(
  dialog: { readonly callId: string; readonly localTag: string; readonly remoteTag: string },
  earlyOnly = false,
): DialogReference {
  return {
    callId: dialog.callId,
    toTag: dialog.remoteTag,
    fromTag: dialog.localTag,
    earlyOnly,
    params: Params.of([]),
  }
}

/** The Replaces of an INVITE; undefined when it has none. A refusal when it has one that cannot be used (§3). */
export function readReplaces(
  invite: SipRequest,
): { readonly reference: DialogReference } | Refusal | undefined {
  const { headers } = invite
  if (!headers.has('Replaces')) return undefined
  // §3: more than one, together with Join, or in another request.
  if (headers.getAll('Replaces').length > 1 || headers.has('Join') || invite.method !== 'INVITE') {
    return { statusCode: 400, reasonPhrase: 'Bad Replaces' }
  }
  try {
    const reference = invite.get(Replaces)
    return reference === undefined ? undefined : { reference }
  } catch {
    return { statusCode: 400, reasonPhrase: 'Bad Replaces' }
  }
}

/** Whether the reference means that dialog. A tag of zero is also one that is not there (§3, for peers of RFC 2543). */
export function refersTo(reference: DialogReference, dialog: ReplaceableDialog): boolean {
  return (
    reference.callId === dialog.callId &&
    sameTag(reference.toTag, dialog.localTag) &&
    dialog.remoteTags.some(tag => sameTag(reference.fromTag, tag))
  )
}

function sameTag(named: string, has: string): boolean {
  return named === has || (named === '0' && has === '')
}

type Situation =
  | 'no-match'
  | 'terminated'
  | 'confirmed'
  | 'confirmed-early-only'
  | 'early-ours'
  | 'early-theirs'

/** RFC 3891 §3, row by row; `replace` means that the INVITE goes on, and takes the place of the call once it is answered. */
const verdicts: Readonly<Record<Situation, 'replace' | number>> = {
  'no-match': 481,
  terminated: 603,
  confirmed: 'replace',
  'confirmed-early-only': 486,
  // We rang somebody, and the new caller takes over: ours is cancelled.
  'early-ours': 'replace',
  // It rings here: who answers it decides, not a third party.
  'early-theirs': 481,
}

/** What to do with an INVITE that refers to `dialog` (undefined: to none we know). */
export function judgeReplaces(
  reference: DialogReference,
  dialog: Pick<ReplaceableDialog, 'role' | 'state'> | undefined,
): 'replace' | Refusal {
  const verdict = verdicts[situation(reference, dialog)]
  return typeof verdict === 'number' ? { statusCode: verdict } : verdict
}

function situation(
  reference: DialogReference,
  dialog: Pick<ReplaceableDialog, 'role' | 'state'> | undefined,
): Situation {
  if (dialog === undefined) return 'no-match'
  if (dialog.state === 'terminated') return 'terminated'
  if (dialog.state === 'early') return dialog.role === 'client' ? 'early-ours' : 'early-theirs'
  return reference.earlyOnly ? 'confirmed-early-only' : 'confirmed'
}
