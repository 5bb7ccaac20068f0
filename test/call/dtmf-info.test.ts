import { assert, constantFrom, integer, property, uint8Array } from 'fast-check'
import t from 'tap'
import { dtmfInfoTypes, readDtmfInfo, writeDtmfInfo } from '../../src/call/dtmf-info.ts'

const relay = 'application/dtmf-relay'
const plain = 'application/dtmf'

t.test('bodies that phones and gateways send', async t => {
  const rows: [type: string, body: string, digit: string, durationMs: number][] = [
    [relay, 'Signal=5\r\nDuration=160\r\n', '5', 160],
    [relay, 'Signal= 5\r\nDuration= 160', '5', 160],
    [relay, 'signal=*\nduration=100\n', '*', 100],
    [relay, 'SIGNAL = # \r\n DURATION = 90 \r\n', '#', 90],
    [relay, 'Duration=300\r\nSignal=d\r\n', 'D', 300],
    [relay, 'Signal=10\r\nDuration=250', '*', 250],
    [relay, 'Signal=11', '#', 250],
    [relay, 'Signal=12', 'A', 250],
    [relay, 'Signal=15', 'D', 250],
    [relay, 'Signal=16', '!', 250],
    [relay, 'Signal=hf', '!', 250],
    [relay, 'Signal=HookFlash', '!', 250],
    [relay, 'Signal=!', '!', 250],
    [relay, 'Signal=star', '*', 250],
    [relay, 'Signal=pound', '#', 250],
    [relay, 'Signal: 7\nDuration: 120', '7', 120],
    [relay, 'X=1\r\nSignal=7;Duration=80', '7', 80],
    [relay, 'Signal=7\r\nDuration=', '7', 250],
    [relay, 'Signal=7\r\nDuration=-5', '7', 250],
    [relay, 'Signal=7\r\nDuration=0', '7', 250],
    [relay, 'Signal=7\r\nDuration=999999', '7', 250],
    [relay, 'Signal=7\r\nSignal=8', '7', 250],
    ['Application/DTMF-Relay; charset=utf-8', 'Signal=5', '5', 250],
    [plain, '5', '5', 250],
    [plain, ' 5\r\n', '5', 250],
    [plain, '#', '#', 250],
    [plain, 'a', 'A', 250],
    [plain, '10', '*', 250],
    [plain, 'Signal=5\r\nDuration=170', '5', 170],
    ['application/hook-flash', '', '!', 250],
  ]
  for (const [type, body, digit, durationMs] of rows)
    t.same(readDtmfInfo(type, Buffer.from(body)), { digit, durationMs }, `${type} ${JSON.stringify(body)}`)
})

t.test('bodies without a digit are bad, other types are none of ours', async t => {
  const bad: [string, string][] = [
    [relay, ''],
    [relay, 'Duration=160'],
    [relay, 'Signal='],
    [relay, 'Signal=17'],
    [relay, 'Signal=E'],
    [relay, 'Signal=constructor'],
    [relay, 'Signal=55 '],
    [relay, `Signal=5\r\n${'x'.repeat(600)}`],
    [plain, ''],
    [plain, '123'],
    [plain, 'x'],
  ]
  for (const [type, body] of bad)
    t.match(readDtmfInfo(type, Buffer.from(body)), { statusCode: 400 }, `${type} ${JSON.stringify(body)}`)
  for (const type of [undefined, '', 'text/plain', 'application/dtmf-relays', 'application/sdp'])
    t.equal(readDtmfInfo(type, Buffer.from('Signal=5')), undefined)
})

t.test('what we write is read, and any octets are read without an error', async t => {
  const digit = constantFrom(...'0123456789*#ABCD!'.split(''))
  assert(
    property(digit, integer({ min: 1, max: 60_000 }), (pressed, durationMs) => {
      const body = Buffer.from(writeDtmfInfo(relay, pressed, durationMs))
      t.strictSame(readDtmfInfo(relay, body), { digit: pressed, durationMs })
      const short = Buffer.from(writeDtmfInfo(plain, pressed, durationMs))
      t.match(readDtmfInfo(plain, short), { digit: pressed })
    }),
    { numRuns: 50 },
  )
  assert(
    property(constantFrom(...dtmfInfoTypes), uint8Array({ maxLength: 80 }), (type, body) => {
      const info = readDtmfInfo(type, body)
      return info !== undefined && ('digit' in info ? info.durationMs > 0 : info.statusCode === 400)
    }),
  )
})
