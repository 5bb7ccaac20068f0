import { Writable } from 'node:stream'
import t from 'tap'
import { readArgs } from '../../src/cli/args.ts'
import { delayOf } from '../../src/cli/delay.ts'
import { endpointOptions, endpointOptionsConfig } from '../../src/cli/endpoint-options.ts'
import { codecNames } from '../../src/media/codec/catalogue.ts'
import { loadAgent } from '../../src/cli/agents.ts'
import { Reporter } from '../../src/cli/reporter.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'

function output(tty: boolean): { out: Writable & { isTTY?: boolean; columns?: number }; text(): string } {
  let written = ''
  const out: Writable & { isTTY?: boolean; columns?: number } = new Writable({
    write(chunk, _encoding, done) {
      written += String(chunk)
      done()
    },
  })
  if (tty) Object.assign(out, { isTTY: true, columns: 40 })
  return { out, text: () => written }
}

t.test('a report is a sentence for people and one JSON object a line for programs', async t => {
  const people = output(false)
  new Reporter({ json: false, out: people.out }).say({ event: 'call', id: 'c1' }, 'call c1')
  t.equal(people.text(), 'call c1\n')
  const programs = output(false)
  const reporter = new Reporter({ json: true, out: programs.out })
  reporter.say({ event: 'call', id: 'c1' }, 'call c1')
  reporter.text('only for people')
  reporter.status('never shown')
  t.equal(programs.text(), '{"event":"call","id":"c1"}\n')
})

t.test('on a terminal the status line stays below the reports, and is gone at the end', async t => {
  const terminal = output(true)
  const reporter = new Reporter({ json: false, out: terminal.out })
  t.ok(reporter.live)
  reporter.status('1 call up')
  reporter.say({ event: 'dtmf' }, 'digit 5')
  reporter.end()
  t.equal(terminal.text(), '\r\u001B[K1 call up\r\u001B[Kdigit 5\n1 call up\r\u001B[K')
})

t.test('once nobody reads, nothing is printed and the command is told, whenever it asks', async t => {
  let writes = 0
  const out = new Writable({
    write(_chunk, _encoding, done) {
      writes += 1
      done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
    },
  })
  let told = 0
  const reporter = new Reporter({ json: true, out })
  reporter.whenClosed(() => (told += 1))
  reporter.say({ event: 'call' }, '')
  await new Promise<void>(resolve => out.once('close', resolve))
  reporter.say({ event: 'ended' }, '')
  t.equal(told, 1)
  t.equal(writes, 1)
  reporter.whenClosed(() => (told += 1))
  t.equal(told, 2, 'also when it asks too late')
})

t.test('options that make no sense are refused by name', async t => {
  t.throws(() => readArgs(['--nonsense'], {}), { code: 'SIP_OPTION', message: /nonsense/ })
  const args = readArgs(['--rtp', '5', '--listen', 'udp://127.0.0.1:0'], endpointOptionsConfig)
  t.throws(() => endpointOptions(args, ''), { code: 'SIP_OPTION', field: '--rtp' })
  const duration = readArgs(['--duration', 'soon'], { duration: { type: 'string' } })
  t.throws(() => duration.number('duration'), { code: 'SIP_OPTION', field: '--duration' })
  const long = readArgs(['--duration', '86401'], { duration: { type: 'string' } })
  t.throws(() => long.number('duration', 86_400), { field: '--duration', message: /86400/ })
  t.equal(long.number('duration'), 86_401)
  t.throws(() => readArgs(['extra'], {}), { code: 'SIP_OPTION', message: /extra/ })
  t.same(readArgs(['sip:x@y'], {}, { allowPositionals: true }).positionals, ['sip:x@y'])
  await t.rejects(loadAgent('constructor'), { code: 'SIP_OPTION', field: '--agent' })
  await t.rejects(loadAgent('./no-such-agent.js'), { code: 'SIP_OPTION', field: '--agent' })
})

t.test('endpoint options are read', async t => {
  const args = readArgs(
    ['--rtp', '30000-30100', '--codecs', 'PCMA, PCMU', '--advertise', '203.0.113.7'],
    endpointOptionsConfig,
  )
  t.same(endpointOptions(args, 'udp://0.0.0.0:5060'), {
    listen: ['udp://0.0.0.0:5060'],
    advertise: '203.0.113.7',
    rtp: { minPort: 30_000, maxPort: 30_100 },
    codecs: ['PCMA', 'PCMU'],
  })
})

t.test(
  'a delay is found although a part is missing, and another signal is not taken for the same',
  async t => {
    const random = seededRandom(4)
    const noise = (length: number): Int16Array =>
      Int16Array.from({ length }, () => (random.uint32() % 8000) - 4000)
    const spoken = noise(16_000)
    const heard = new Int16Array(24_000)
    heard.set(spoken, 960)
    heard.fill(0, 5000, 6000)
    const found = delayOf(spoken, 8000, heard, 8000)
    t.equal(found?.delayMs, 120)
    t.ok(found && found.recognised >= 0.7 && found.recognised < 1, `${found?.recognised} recognised`)
    t.equal(delayOf(spoken, 8000, noise(24_000), 8000), undefined)
  },
)

function codecsOf(list: string): unknown {
  return endpointOptions(readArgs(['--codecs', list], endpointOptionsConfig), 'udp://0.0.0.0:0').codecs
}

t.test(
  '--codecs takes every codec there is, in any case; what is wrong with it names the option',
  async t => {
    t.same(codecsOf(codecNames.join(',')), codecNames)
    t.same(codecsOf('OPUS, g722,pcmu'), ['OPUS', 'g722', 'pcmu'])
    const wrong: readonly (readonly [list: string, message: RegExp])[] = [
      ['opus,G729', /--codecs: "G729" is not a codec; name some of PCMU, .*opus/],
      ['L16', /--codecs: "L16" is not a codec; .*L16\/16000/],
      ['PCMU,', /--codecs: "PCMU," has an empty name/],
      ['', /--codecs: "" has an empty name/],
      ['PCMU,pcmu', /--codecs: "pcmu" is named twice/],
    ]
    for (const [list, message] of wrong) t.throws(() => codecsOf(list), { code: 'SIP_OPTION', message }, list)
  },
)
