import type { SipMessage } from '../message/message.ts'
import { parseMultipart } from '../message/multipart.ts'
import type { Entity } from '../message/multipart.ts'
import type { SessionBody } from './session-types.ts'

/** The media type without parameters, in lower case. */
export function mediaType(contentType: string): string {
  const semicolon = contentType.indexOf(';')
  return (semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase()
}

/** How deep a multipart in a multipart is looked into. */
const MAX_DEPTH = 3

/**
 * The body of a message as an offer or answer: of a type in `accept`, alone or as a part of a multipart; undefined when there is none, or another that
 * may be passed over (one that may not is refused before). SDP without a Content-Type occurs, and is taken for what it is.
 */
export function sessionBodyOf(entity: Entity, accept: readonly string[], depth = 0): SessionBody | undefined {
  const { body } = entity
  if (body.length === 0) return undefined
  const contentType = entity.headers.get('Content-Type')
  if (contentType === undefined) {
    // "v=" opens every session description (RFC 8866 §9).
    return body[0] === 0x76 && body[1] === 0x3d ? { contentType: 'application/sdp', body } : undefined
  }
  const type = mediaType(contentType)
  if (admits(accept, type)) return { contentType, body }
  if (!type.startsWith('multipart/') || depth >= MAX_DEPTH) return undefined
  for (const part of partsOf(entity)) {
    const found = sessionBodyOf(part, accept, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}

/** None where the multipart cannot be taken apart. */
function partsOf(entity: Entity): readonly Entity[] {
  try {
    return parseMultipart(entity) ?? []
  } catch {
    return []
  }
}

/** Whether a body that is not understood may be ignored (RFC 3261 §20.11: `handling` is `required` unless it says `optional`). */
export function bodyIsOptional(message: SipMessage): boolean {
  const disposition = message.headers.get('Content-Disposition')
  return disposition !== undefined && /;\s*handling\s*=\s*"?optional"?\s*(?:;|$)/i.test(disposition)
}

/** Whether the list of media types admits this one; `*` stands for any. */
export function admits(types: readonly string[], type: string): boolean {
  if (types.includes(type)) return true
  const wanted = type.split('/')[0]
  return types.some(entry => {
    const range = mediaType(entry)
    return range === type || range === '*/*' || range === `${wanted}/*`
  })
}
