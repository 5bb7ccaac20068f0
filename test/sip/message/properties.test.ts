import * as fc from 'fast-check'
import { test } from 'tap'
import { createResponse } from '../../../src/sip/message/build.ts'
import { SipParseError } from '../../../src/sip/message/errors.ts'
import { StreamFramer } from '../../../src/sip/message/framer.ts'
import type { SipMessage } from '../../../src/sip/message/message.ts'
import { parseMultipart } from '../../../src/sip/message/multipart.ts'
import { NameAddr } from '../../../src/sip/message/name-addr.ts'
import { parseMessage } from '../../../src/sip/message/parser.ts'
import { serialise } from '../../../src/sip/message/serialiser.ts'
import { parseUri } from '../../../src/sip/message/uri.ts'
import { checkMessage } from '../../../src/sip/message/validate.ts'
import { Via } from '../../../src/sip/message/via.ts'
import { mutants } from '../../support/mutate.ts'
import { headerParams, messageText, nameAddr, sipUri, via } from './arbitraries.ts'
import { torture } from '../../../conformance/rfc4475/messages.ts'
import { tortureIpv6 } from '../../../conformance/rfc5118/messages.ts'

/** What a message means, whatever it looks like. */
function meaning(message: SipMessage): unknown {
  const start =
    message.kind === 'request'
      ? [message.method, message.requestUri]
      : [message.statusCode, message.reasonPhrase]
  const { contacts } = message
  return {
    start,
    vias: message.vias.map(String),
    from: String(message.from),
    to: String(message.to),
    callId: message.callId,
    cseq: message.cseq,
    contacts: contacts === '*' ? contacts : contacts.map(String),
    others: [...message.headers].filter(([name]) => name.startsWith('X-')),
    body: Buffer.from(message.body).toString('hex'),
  }
}

test('a message from the grammar is accepted, and means the same after parse and serialise', async t => {
  fc.assert(
    fc.property(messageText, ({ bytes, body }) => {
      const message = parseMessage(bytes)
      if (checkMessage(message) !== undefined) throw checkMessage(message) as Error
      t.same(Buffer.from(message.body).equals(body), true)
      const again = parseMessage(serialise(message))
      if (JSON.stringify(meaning(again)) !== JSON.stringify(meaning(message)))
        throw new Error('the meaning changed')
    }),
    { numRuns: 1500 },
  )
  t.pass()
})

test('a message whose every line is written anew means the same', async t => {
  fc.assert(
    fc.property(messageText, ({ bytes }) => {
      const message = parseMessage(bytes)
      const before = JSON.stringify(meaning(message))
      const lines = [...message.headers]
      for (const [name] of lines) message.headers.delete(name)
      for (const [name, value] of lines) message.headers.append(name, value)
      if (JSON.stringify(meaning(parseMessage(serialise(message)))) !== before)
        throw new Error('the meaning changed')
    }),
    { numRuns: 500 },
  )
  t.pass()
})

test('URIs, addresses, Vias and parameters are read as they were written', async t => {
  fc.assert(
    fc.property(sipUri, uri => {
      const read = parseUri(uri.toString())
      if (read.kind !== 'sip') throw new Error('not read as a SIP URI')
      t.same(
        [read.scheme, read.user, read.host, read.port, [...read.params], read.headers],
        [uri.scheme, uri.user, uri.host, uri.port, [...uri.params], uri.headers],
      )
      if (!read.equals(uri) || !uri.equals(read)) throw new Error('not equal to itself')
    }),
    { numRuns: 500 },
  )
  fc.assert(
    fc.property(nameAddr, address => {
      const read = NameAddr.parse(address.toString())
      t.same(
        [read.displayName, read.uriText, [...read.params]],
        [address.displayName, address.uriText, [...address.params]],
      )
    }),
    { numRuns: 500 },
  )
  fc.assert(
    fc.property(via, hop => {
      const read = Via.parse(hop.toString())
      t.same(
        [read.transport, read.host, read.port, [...read.params]],
        [hop.transport, hop.host, hop.port, [...hop.params]],
      )
    }),
    { numRuns: 500 },
  )
  fc.assert(
    fc.property(headerParams, params => {
      let copy = params
      for (const [name] of params) copy = copy.without(name.toUpperCase())
      if (copy.size !== 0) throw new Error('a parameter stayed')
    }),
    { numRuns: 200 },
  )
})

test('a stream of messages comes out of the framer as it went in, however it is cut', async t => {
  fc.assert(
    fc.property(
      fc.array(messageText, { minLength: 1, maxLength: 3 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
      (messages, cuts) => {
        const stream = Buffer.concat(messages.map(({ bytes }) => bytes))
        const framer = new StreamFramer()
        const seen: Buffer[] = []
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const size = cuts[turn % cuts.length] as number
          for (const frame of framer.push(stream.subarray(at, at + size))) {
            if (frame.kind === 'message') seen.push(frame.bytes)
          }
          at += size
        }
        if (seen.length !== messages.length) throw new Error(`${seen.length} of ${messages.length} came out`)
        if (!Buffer.concat(seen).equals(stream)) throw new Error('octets changed')
      },
    ),
    { numRuns: 300 },
  )
  t.pass()
})

/** Everything that may be done with a message that came from outside. */
function useUp(bytes: Buffer): 'taken' | 'refused' {
  try {
    const message = parseMessage(bytes)
    const error = checkMessage(message)
    if (error !== undefined) throw error
    meaning(message)
    for (const contact of message.contacts === '*' ? [] : message.contacts) contact.uri.toString()
    serialise(message)
    parseMultipart(message)
    if (message.kind === 'request') serialise(createResponse(message, 200, { toTag: 'x' }))
    return 'taken'
  } catch (error) {
    if (!(error instanceof SipParseError)) throw error
    if (error.partial !== undefined) {
      if (error.partial.via.sentBy === '') throw new Error('no sent-by in the Via', { cause: error })
      serialise(createResponse(error.partial, error.statusCode, { toTag: 'x' }))
    }
    return 'refused'
  }
}

test('50,000 damaged messages are taken or refused, and can be answered if they say so', async t => {
  const samples = [...torture, ...tortureIpv6].map(({ bytes }) => bytes)
  const counts = { taken: 0, refused: 0 }
  for (const bytes of mutants(samples, 50_000, 4475)) counts[useUp(bytes)]++
  t.ok(counts.taken > 2_000, `${counts.taken} taken`)
  t.ok(counts.refused > 5_000, `${counts.refused} refused`)
})

test('20,000 damaged streams are framed or given up, and never held beyond the limit', async t => {
  const samples = torture.map(({ bytes }) => Buffer.concat([bytes, bytes]))
  let held = 0
  for (const bytes of mutants(samples, 20_000, 3261)) {
    const framer = new StreamFramer({ limits: { messageBytes: 8192 } })
    try {
      for (let at = 0; at < bytes.length; at += 500) framer.push(bytes.subarray(at, at + 500))
    } catch (error) {
      if (!(error instanceof SipParseError) || !error.fatal) throw error
    }
    held = Math.max(held, framer.held)
  }
  t.ok(held <= 8192 + 500, `${held} octets held at most`)
})
