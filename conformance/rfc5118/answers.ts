import type { AnswerRow } from '../torture-checks.ts'

/**
 * What a server answers to each message of RFC 5118: 404 where it reached the application, which knows nobody of that name.
 */
export const answers: Readonly<Record<string, AnswerRow>> = {
  'ipv6-good': { answer: 405, why: 'no registrar here' },
  'ipv6-bad': { answer: 400 },
  'port-ambiguous': { answer: 405, why: 'read as an address without a port; no registrar here' },
  'port-unambiguous': { answer: 405, why: 'no registrar here' },
  'via-received-param-with-delim': { answer: 481, why: 'a To tag: a dialog that is not there' },
  'via-received-param-no-delim': { answer: 200 },
  'ipv6-in-sdp': { answer: 404 },
  'mult-ip-in-header': { answer: 481, why: 'a To tag: a dialog that is not there' },
  'mult-ip-in-sdp': { answer: 404 },
  'ipv4-mapped-ipv6': { answer: 404 },
  'ipv6-bug-abnf-3-colons': { answer: 200 },
  'ipv6-correct-abnf-2-colons': { answer: 200 },
}
