import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { codecNames, loadCodec, loadCodecs } from '../../../src/media/codec/catalogue.ts'
import { isNamed } from '../../../src/media/codec/codec.ts'

for (const [name, expected] of [
  ['PCMU', { name: 'PCMU', clockRate: 8000, sampleRate: 8000, payloadType: 0 }],
  ['pcma', { name: 'PCMA', clockRate: 8000, sampleRate: 8000, payloadType: 8 }],
  ['g722', { name: 'G722', clockRate: 8000, sampleRate: 16_000, payloadType: 9 }],
  ['Opus', { name: 'opus', clockRate: 48_000, sampleRate: 24_000, rtpmapChannels: 2 }],
  ['l16/8000', { name: 'L16', clockRate: 8000, sampleRate: 8000, channels: 1 }],
  ['L16/16000', { name: 'L16', clockRate: 16_000, sampleRate: 16_000, channels: 1 }],
  ['L16/44100', { name: 'L16', clockRate: 44_100, sampleRate: 44_100, channels: 1, payloadType: 11 }],
  ['L16/48000', { name: 'L16', clockRate: 48_000, sampleRate: 48_000, channels: 1 }],
] as const)
  t.test(`${name} is found, whatever its case`, async t => {
    const codec = await loadCodec(name)
    t.match(codec, expected)
    t.ok(isNamed(codec, name))
    t.notOk(isNamed(codec, 'GSM'))
  })

t.test('every name that is listed can be loaded, in the order asked for', async t => {
  const codecs = await loadCodecs(codecNames)
  t.same(
    codecs.map((codec, i) => isNamed(codec, codecNames[i] ?? '')),
    codecNames.map(() => true),
  )
})

t.test('Opus takes its settings', async t => {
  t.equal((await loadCodec('opus', { opus: { sampleRate: 48_000 } })).sampleRate, 48_000)
})

for (const [names, message] of [
  [[], /at least one codec/],
  [['SILK'], /"SILK" is not a codec Offhook has; it has PCMU, PCMA, G722, opus, L16\/8000/],
  [['L16'], /several clock rates; say which: L16\/8000, L16\/16000/],
  [['PCMU', 'pcmu'], /"pcmu" is named twice/],
] as const)
  t.test(`refused by name: ${JSON.stringify(names)}`, async t => {
    await t.rejects(loadCodecs(names), { code: 'SIP_OPTION', field: 'codecs', message })
  })

t.test('who does not name Opus, G.722 or L16 never loads them', async t => {
  const seen = new Set<string>()
  const visit = (url: URL): void => {
    if (seen.has(url.href)) return
    seen.add(url.href)
    const text = readFileSync(fileURLToPath(url), 'utf8')
    for (const [, specifier = ''] of text.matchAll(/^(?:import|export)[^'"]*? from ['"](\.[^'"]+)['"]/gm))
      visit(new URL(specifier, url))
    t.notMatch(text, /from ['"]libopus-wasm/, url.pathname)
  }
  visit(new URL('../../../src/index.js', import.meta.url))
  const files = new Set([...seen].map(href => href.slice(href.lastIndexOf('/') + 1)))
  t.ok(files.has('catalogue.js') && files.has('g711.js'))
  for (const late of ['opus.js', 'opus-module.js', 'g722.js', 'l16.js']) t.notOk(files.has(late), late)
})
