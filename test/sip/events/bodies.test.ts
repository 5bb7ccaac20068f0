import * as fc from 'fast-check'
import t from 'tap'
import { EventBodyError, MAX_BODY_OCTETS } from '../../../src/sip/events/body-error.ts'
import type { DialogInfo } from '../../../src/sip/events/dialog-info.ts'
import { DialogInfoState, readDialogInfo, writeDialogInfo } from '../../../src/sip/events/dialog-info.ts'
import { readMessageSummary, writeMessageSummary } from '../../../src/sip/events/message-summary.ts'
import { readPidf, writePidf } from '../../../src/sip/events/pidf.ts'

const readers = { readDialogInfo, readMessageSummary, readPidf }

const info: DialogInfo = {
  version: 3,
  state: 'full',
  entity: 'sip:alice@example.com',
  dialogs: [
    {
      id: 'as7d900as8',
      state: 'confirmed',
      event: undefined,
      statusCode: 200,
      callId: 'a84b4c76e66710',
      localTag: '1928301774',
      remoteTag: '456887766',
      direction: 'initiator',
      durationSeconds: 274,
      local: { identity: 'sip:alice@example.com', displayName: 'A & "B" <C>', target: 'sip:a@pc33' },
      remote: { identity: 'sip:bob@example.org', displayName: undefined, target: undefined },
    },
  ],
}

t.test('dialog-info is read as it was written (RFC 4235 §4)', async t => {
  const { contentType, body } = writeDialogInfo(info)
  t.equal(contentType, 'application/dialog-info+xml')
  t.same(readDialogInfo(body), info)
})

t.test('dialog-info with prefixes and things unknown', async t => {
  const text = `<?xml version="1.0"?><d:dialog-info xmlns:d="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" entity="sip:a@b">
    <d:dialog id="1"><x:y xmlns:x="z">?</x:y><d:state event="rejected" code="486">terminated</d:state></d:dialog></d:dialog-info>`
  t.match(readDialogInfo(Buffer.from(text)), { dialogs: [{ id: '1', state: 'terminated', statusCode: 486 }] })
})

t.test('full and partial versions (RFC 4235 §4.3)', async t => {
  const state = new DialogInfoState()
  const partial = { ...info, state: 'partial' as const }
  t.equal(state.apply({ ...partial, version: 0 }), 'gap', 'nothing is known yet')
  t.equal(state.apply({ ...info, version: 1 }), 'applied')
  const [first] = info.dialogs
  t.equal(state.apply({ ...partial, version: 2, dialogs: [{ ...first!, id: 'b' }] }), 'applied')
  t.equal(state.dialogs.length, 2)
  t.equal(state.apply({ ...partial, version: 2 }), 'stale')
  t.equal(state.apply({ ...partial, version: 4 }), 'gap')
  const ended = [{ ...first!, state: 'terminated' as const }]
  t.equal(state.apply({ ...partial, version: 3, dialogs: ended }), 'applied')
  t.same(
    state.dialogs.map(({ id }) => id),
    ['b'],
  )
})

t.test('message-summary (RFC 3842 §5.2)', async t => {
  const text =
    'Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 2/8 (0/2)\r\n'
  const summary = readMessageSummary(Buffer.from(text))
  t.same(summary, {
    waiting: true,
    account: 'sip:alice@vmail.example.com',
    counts: new Map([['voice-message', { new: 2, old: 8, newUrgent: 0, oldUrgent: 2 }]]),
  })
  t.same(readMessageSummary(writeMessageSummary(summary).body), summary)
  t.throws(() => writeMessageSummary({ waiting: true, account: 'a\r\nb', counts: new Map() }), EventBodyError)
})

t.test('presence (RFC 3863 §4)', async t => {
  const presence = {
    entity: 'pres:alice@example.com',
    note: undefined,
    tuples: [{ id: 't1', basic: 'open' as const, contact: 'sip:alice@192.0.2.1', note: 'at <home> & well' }],
  }
  t.same(readPidf(writePidf(presence).body), presence)
})

t.test('a DOCTYPE, entities, too much, too deep, not UTF-8: refused', async t => {
  const bomb =
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><dialog-info version="0" state="full">&a;</dialog-info>'
  t.throws(() => readDialogInfo(Buffer.from(bomb)), /DOCTYPE/)
  t.throws(() => readDialogInfo(Buffer.alloc(MAX_BODY_OCTETS + 1, 0x20)), /octets/)
  t.throws(() => readDialogInfo(Buffer.from('<a>'.repeat(5000) + '</a>'.repeat(5000))), EventBodyError)
  t.throws(() => readDialogInfo(Buffer.from([0xff, 0xfe, 0x3c])), /UTF-8/)
  const unknown = '<presence entity="&boom;"><note>&boom; &#0; &#x41;</note></presence>'
  t.match(readPidf(Buffer.from(unknown)), { entity: '&boom;', note: '&boom; \ufffd A' })
})

t.test('whatever comes, a body is read or refused, and nothing else is thrown', async t => {
  const seeds = [
    Buffer.from(writeDialogInfo(info).body),
    Buffer.from(
      writePidf({ entity: 'a', tuples: [{ id: '1', basic: 'open', contact: 'sip:a@b', note: 'n' }] }).body,
    ),
    Buffer.from('Messages-Waiting: no\r\nVoice-Message: 1/2 (3/4)\r\n'),
  ]
  const words = ['<', '>', '&', '&#x110000;', '<![CDATA[', ']]>', '<!--', '__proto__', '"', '\0', ': ', '/>']
  const mutated = fc
    .tuple(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(800), fc.constantFrom(...words)), { maxLength: 6 }),
    )
    .map(([seed, cuts]) => {
      let text = seed.toString()
      for (const [at, word] of cuts) text = text.slice(0, at) + word + text.slice(at + 1)
      return Buffer.from(text)
    })
  for (const [name, read] of Object.entries(readers)) {
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 200 })), body => {
        try {
          read(body)
        } catch (error) {
          if (!(error instanceof EventBodyError)) throw error
        }
      }),
      { numRuns: 400 },
    )
    t.pass(name)
  }
  t.equal(({} as Record<string, unknown>)['polluted'], undefined)
})
