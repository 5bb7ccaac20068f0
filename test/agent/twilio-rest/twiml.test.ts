import { assert, property, string } from 'fast-check'
import t from 'tap'
import { RestError } from '../../../src/agent/twilio-rest/rest-error.ts'
import { readTwiml } from '../../../src/agent/twilio-rest/twiml.ts'

const good: readonly (readonly [string, object[]])[] = [
  ['<Response><Dial>+1 (555) 010-0</Dial></Response>', [{ verb: 'dial', targets: ['+15550100'] }]],
  [
    '<Response><Dial><Number>+15550100</Number></Dial></Response>',
    [{ verb: 'dial', targets: ['+15550100'] }],
  ],
  [
    '<?xml version="1.0"?><Response><Dial callerId="+1"><Sip>desk@example.com;transport=tls?X-A=1&amp;X-B=2</Sip><Number>100</Number></Dial><Hangup/></Response>',
    [
      { verb: 'dial', targets: ['sip:desk@example.com;transport=tls?X-A=1&X-B=2', '100'] },
      { verb: 'hangup' },
    ],
  ],
  ['<Response><Play digits="1W2#"/></Response>', [{ verb: 'play', digits: '1ww2#' }]],
  [
    '<Response><Say>Good &lt;day&gt;</Say><Pause length="2"/></Response>',
    [
      { verb: 'say', text: 'Good <day>' },
      { verb: 'pause', seconds: 2 },
    ],
  ],
  ['<Response/>', []],
]
for (const [text, verbs] of good) {
  t.test(text, async t => {
    t.same(readTwiml(text), verbs)
  })
}

const bad: readonly (readonly [string, number, RegExp])[] = [
  ['<Response><Play>https://example.com/a.mp3</Play></Response>', 12200, /an URL is not understood.*digits/],
  ['<Response><Play digits="x"/></Response>', 12200, /digits/],
  ['<Response><Record/></Response>', 12200, /<Record> is not understood here; there are <Dial>/],
  ['<Response><Dial><Conference>a</Conference></Dial></Response>', 12200, /<Number> and <Sip>/],
  ['<Response><Dial>nobody</Dial></Response>', 13223, /no number/],
  ['<Response><Dial><Sip>a b@c</Sip></Dial></Response>', 13224, /SIP URI/],
  ['<Response><Dial><Sip>sip:a@b:99999</Sip></Dial></Response>', 13224, /SIP URI/],
  ['<Response><Say><prosody rate="slow">Hello</prosody></Say></Response>', 12200, /<Say><prosody>.*SSML/],
  ['<Response><Say> </Say></Response>', 12200, /no text/],
  ['<Response><Pause length="x"/></Response>', 12200, /seconds/],
  ['<Answer/>', 12100, /<Response>/],
  ['<Response>', 12100, /cannot be read/],
  ['<!DOCTYPE a [<!ENTITY b "c">]><Response/>', 12100, /DOCTYPE/],
  [`<Response>${'<Hangup/>'.repeat(33)}</Response>`, 12200, /more than 32/],
  [`<Response>${' '.repeat(4000)}</Response>`, 21623, /longer/],
]
for (const [text, code, words] of bad) {
  t.test(`refused: ${text.slice(0, 80)}`, async t => {
    try {
      readTwiml(text)
      t.fail('it was taken')
    } catch (error) {
      t.ok(error instanceof RestError)
      t.equal((error as RestError).twilioCode, code)
      t.match((error as RestError).message, words)
    }
  })
}

t.test('no text makes it throw anything but its error', async () => {
  assert(
    property(string(), string(), (a, b) => {
      for (const text of [a, `<Response>${a}</Response>`, `<Response><Dial ${a}>${b}</Dial></Response>`]) {
        try {
          readTwiml(text)
        } catch (error) {
          if (!(error instanceof RestError)) throw error
        }
      }
    }),
  )
})
