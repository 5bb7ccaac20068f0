import { createHash } from 'node:crypto'
import type { AdmissionPolicy } from '../../../src/sip/auth/admission.ts'

/** Digest as it was before there was a qop (RFC 2617 §3.2.2.1), and by MD5 alone: some servers still know no other. */
export function plainDigest({
  realm,
  username,
  password,
  statusCode,
}: {
  readonly realm: string
  readonly username: string
  readonly password: string
  readonly statusCode: 401 | 407
}): AdmissionPolicy {
  const nonce = 'e5f1b3'
  const [challenge, answer] =
    statusCode === 407
      ? (['Proxy-Authenticate', 'Proxy-Authorization'] as const)
      : (['WWW-Authenticate', 'Authorization'] as const)
  return request => {
    const given = request.headers.get(answer)
    const fieldOf = (name: string): string =>
      new RegExp(`\\b${name}="?([^",]*)`, 'i').exec(given ?? '')?.[1] ?? ''
    const secret = md5(`${username}:${realm}:${password}`)
    const wanted = md5(`${secret}:${nonce}:${md5(`${request.method}:${fieldOf('uri')}`)}`)
    if (given !== undefined && !/\bqop=/i.test(given) && fieldOf('response') === wanted)
      return { kind: 'admitted', by: 'digest', user: username }
    if (given !== undefined) return { kind: 'refused', statusCode: 403 }
    const value = `Digest realm="${realm}", nonce="${nonce}", algorithm=MD5`
    return { kind: 'refused', statusCode, headers: [[challenge, value]] }
  }
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex')
}
