import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { twilioStreamSignature } from '../../src/agent/index.ts'
import { RealtimeModel, modelHz } from '../../conformance/peers/realtime-model.ts'
import { createEndpoint } from '../../src/index.ts'
import { goertzelDbfs } from '../../src/media/audio/goertzel.ts'
import { levelDbfs } from '../../src/media/audio/level.ts'
import { tone } from '../../src/media/audio/tones.ts'
import { PCMU } from '../../src/media/codec/g711.ts'
import { readTree, repositoryRoot } from '../support/repository.ts'
import { Program } from './program.ts'

const folder = mkdtempSync(join(tmpdir(), 'offhook-examples-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const anyPort = { LISTEN: 'udp://127.0.0.1:0' }

/** The examples that a test below runs. */
const run = [
  'agent',
  'answer',
  'answering-machine',
  'bridge',
  'call',
  'collect-digits',
  'conference',
  'follow-a-call',
  'openai-agents',
  'openai-model',
  'proxy',
  'registrar',
  'routing',
  'serve-bot',
  'stream-bot',
  'stream-server',
  'test-an-agent',
  'transfer',
  'trunk',
  'warm-transfer',
]

t.test('every example is one page, imports the package as a user does, and is run below', t => {
  const examples = readTree('examples')
  t.same(
    [...examples.keys()],
    run.map(name => `examples/${name}.ts`),
  )
  for (const [path, text] of examples) {
    t.ok(text.trimEnd().split('\n').length <= 60, `${path} has at most 60 lines`)
    const imports = [...text.matchAll(/\bfrom '([^']+)'/g)].map(match => match[1] ?? '')
    t.same(
      imports.filter(name => !/^(?:offhook(?:\/|$)|node:|@openai\/agents-realtime$)/.test(name)),
      [],
      `${path} imports nothing else`,
    )
  }
  t.end()
})

t.test('answer and call: one calls the other', async t => {
  const answer = new Program('examples/answer', folder, anyPort)
  const [, port] = await answer.prints(/udp:\/\/127\.0\.0\.1:(\d+)/)
  const call = new Program('examples/call', folder, {
    LISTEN: 'udp://127.0.0.1:0',
    TARGET: `sip:echo@127.0.0.1:${port}`,
    SECONDS_UP: '0.5',
  })
  t.equal(await call.ended, 0, call.output)
  t.match(call.output, /answered, PCMU/)
  t.match(call.output, /ended by local: hangup/)
  t.ok(existsSync(join(folder, 'call.wav')), 'the recording is there')
  t.equal(await answer.interrupt(), 0, answer.output)
})

t.test('bridge puts one call through to another, packet by packet', async t => {
  const answer = new Program('examples/answer', folder, anyPort)
  const [, desk] = await answer.prints(/udp:\/\/127\.0\.0\.1:(\d+)/)
  const switchboard = new Program('examples/bridge', folder, {
    ...anyPort,
    TARGET: `sip:desk@127.0.0.1:${desk}`,
  })
  const [, port] = await switchboard.prints(/udp:\/\/127\.0\.0\.1:(\d+)/)
  const call = new Program('examples/call', folder, {
    LISTEN: 'udp://127.0.0.1:0',
    TARGET: `sip:desk@127.0.0.1:${port}`,
    SECONDS_UP: '0.5',
  })
  t.equal(await call.ended, 0, call.output)
  await switchboard.prints(/call-ended: \d+ packets there, \d+ back/)
  t.match(switchboard.output, /through: relayed and relayed/)
  t.equal(await switchboard.interrupt(), 0, switchboard.output)
  t.equal(await answer.interrupt(), 0, answer.output)
})

t.test('follow-a-call prints what becomes of a call and writes its record', async t => {
  const follow = new Program('examples/follow-a-call', folder, anyPort)
  const [, port] = await follow.prints(/udp:\/\/127\.0\.0\.1:(\d+)/)
  const caller = ['call', `sip:echo@127.0.0.1:${port}`, '--listen', 'udp://127.0.0.1:0', '--duration', '0.3']
  const call = new Program('src/cli/main', folder, {}, caller)
  t.equal(await call.ended, 0, call.output)
  await follow.prints(/ended by remote/)
  t.match(follow.output, /is confirmed/)
  t.match(follow.output, /INVITE/)
  t.equal(await follow.interrupt(), 0, follow.output)
  const last = readFileSync(join(folder, 'calls.jsonl'), 'utf8').trim().split('\n').at(-1)
  t.match(last, /"direction":"inbound"/)
  t.match(last, /"state":"ended"/)
})

t.test('agent is an agent for the command, and hangs up on #', async t => {
  const agent = new URL('../../examples/agent.js', import.meta.url).pathname
  const answer = new Program('src/cli/main', folder, {}, [
    'answer',
    '--listen',
    'udp://127.0.0.1:0',
    '--json',
    '--agent',
    agent,
  ])
  const [, port] = await answer.prints(/udp:\/\/127\.0\.0\.1:(\d+)/)
  const call = new Program('src/cli/main', folder, {}, [
    'call',
    `sip:agent@127.0.0.1:${port}`,
    '--listen',
    'udp://127.0.0.1:0',
    '--dtmf',
    '2w#',
    '--duration',
    '10',
    '--json',
  ])
  t.equal(await call.ended, 0, call.output)
  t.match(call.output, /"by":"remote"/)
  await answer.prints(/"digitsReceived":"2#"/)
  t.equal(await answer.interrupt(), 0, answer.output)
})

t.test('test-an-agent plays its call in virtual time, the same each time', async t => {
  const first = new Program('examples/test-an-agent', folder)
  const second = new Program('examples/test-an-agent', folder)
  t.equal(await first.ended, 0, first.output)
  t.equal(await second.ended, 0, second.output)
  t.match(first.output, /fingerprint [0-9a-f]{12}/)
  t.equal(first.output, second.output)
})

t.test('collect-digits takes a number by every road, and asks again who hesitates', async t => {
  const collect = new Program('examples/collect-digits', folder, { ...anyPort, PATIENCE_MS: '2000' })
  const [, port] = await collect.prints(/udp:\/\/127\.0\.0\.1:(\d+)/)
  const phone = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  const dial = async (digits: string, via: 'rtp' | 'info' | 'inband', afterMs: number = 0): Promise<void> => {
    const call = await phone.call(`sip:number@127.0.0.1:${port}`)
    await call.sleep(afterMs)
    await call.sendDtmf(digits, { via, durationMs: 120 })
    await call.ended
  }
  const tones = async (): Promise<void> => {
    // A machine that stands still for a moment cuts a piece out of a tone: in real time that may take another try.
    for (let tries = 0; tries < 3 && !/ by inband/.test(collect.output); tries += 1)
      await dial('4711#', 'inband')
  }
  await Promise.all([dial('4711#', 'rtp'), dial('815#', 'info'), tones(), dial('5#', 'rtp', 3000)])
  await collect.prints(/4711 by rtp, attempt 1/)
  await collect.prints(/815 by info, attempt 1/)
  await collect.prints(/\d+ by inband/)
  await collect.prints(/5 by rtp, attempt 2/)
  await phone.close()
  t.equal(await collect.interrupt(), 0, collect.output)
})

/** Calls it with a tone of 700 Hz and listens; gives how loud that was heard, in dBFS at the loudest. */
async function heardBack(port: string, hz: number): Promise<number> {
  const phone = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  const call = await phone.call(`sip:bot@127.0.0.1:${port}`)
  void call.media.output.write(tone({ sampleRate: 8000, hz: 700, durationMs: 10_000 }))
  let loudest = -100
  let frames = 0
  for await (const { samples } of call.media.input) {
    loudest = Math.max(loudest, goertzelDbfs(samples, 8000, hz))
    frames += 1
    if (loudest > -30 || frames > 500) break
  }
  await call.sendDtmf('#')
  const ended = await Promise.race([call.ended, call.sleep(5000)])
  if (ended === undefined) await call.hangup()
  await phone.close()
  return loudest
}

/** Whether whoever is called there says something within 10 s. */
async function speaks(port: string): Promise<boolean> {
  const phone = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  const call = await phone.call(`sip:bot@127.0.0.1:${port}`)
  let frames = 0
  let loud = false
  for await (const { samples } of call.media.input) {
    loud = levelDbfs(samples) > -40
    frames += 1
    if (loud || frames > 500) break
  }
  await call.hangup()
  await phone.close()
  return loud
}

t.test(
  'stream-server: the menu speaks to a SIP caller and to a stream that is signed; a stranger is refused',
  async t => {
    const token = 'a token'
    const env = { ...anyPort, HOST: '127.0.0.1', HTTP: '0', TWILIO_AUTH_TOKEN: token }
    const example = new Program('examples/stream-server', folder, env)
    const [, port = '', http = ''] = await example.prints(/udp:\/\/127\.0\.0\.1:(\d+); streams on port (\d+)/)
    t.ok(await speaks(port), 'the SIP caller hears the menu')
    const url = `ws://127.0.0.1:${http}/twilio`
    const stranger = new WebSocket(url)
    const [refused] = (await once(stranger, 'error')) as [Error]
    t.match(refused.message, /401/)
    await example.prints(/refused at \/twilio \(signature\)/)
    const stream = new WebSocket(url, {
      headers: { 'X-Twilio-Signature': twilioStreamSignature(token, url) },
    })
    await once(stream, 'open')
    const heard = new Promise<void>(resolve => {
      let loud = 0
      stream.on('message', data => {
        const { event, media } = JSON.parse((data as Buffer).toString()) as {
          event: string
          media?: { payload: string }
        }
        // Silence is 0xff or 0x7f.
        if (
          event === 'media' &&
          Buffer.from(media?.payload ?? '', 'base64').some(octet => (octet & 0x7f) < 0x50)
        )
          loud += 1
        if (loud > 5) resolve()
      })
    })
    stream.send(
      JSON.stringify({ event: 'start', streamSid: 'MZ1', start: { callSid: 'CA1', streamSid: 'MZ1' } }),
    )
    await heard
    stream.close()
    await example.prints(/twilio calls it callSid CA1/)
    t.equal(await example.interrupt(), 0, example.output)
  },
)

t.test('openai-agents: the model greets, and hangs up when it is told to', async t => {
  const model = await RealtimeModel.start()
  const example = new Program('examples/openai-agents', folder, {
    ...anyPort,
    OPENAI_API_KEY: 'sk-test',
    OPENAI_URL: model.url,
  })
  const [, port = ''] = await example.prints(/udp:\/\/127\.0\.0\.1:(\d+)/)
  const phone = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  const call = await phone.call(`sip:desk@127.0.0.1:${port}`)
  for await (const { samples } of call.media.input) if (goertzelDbfs(samples, 8000, modelHz) > -30) break
  const conversation = await model.conversation()
  t.equal(conversation.authorization, 'Bearer sk-test')
  await call.sendDtmf('5')
  const { item } = await conversation.event('conversation.item.create')
  t.match(item, { content: [{ text: 'The caller pressed 5.' }] })
  await call.hangup()
  await conversation.end()
  await example.prints(/engine openai-agents, connected after .* ended by the call: the call ended/)
  t.equal(await example.interrupt(), 0, example.output)
  await phone.close()
  await model.stop()
})

t.test('openai-model: the model greets; without it the menu does', async t => {
  const model = await RealtimeModel.start()
  const example = new Program('examples/openai-model', folder, {
    ...anyPort,
    OPENAI_API_KEY: 'sk-test',
    OPENAI_URL: model.url,
  })
  const [, port = ''] = await example.prints(/udp:\/\/127\.0\.0\.1:(\d+)/)
  const phone = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  const call = await phone.call(`sip:shop@127.0.0.1:${port}`)
  for await (const { samples } of call.media.input) if (goertzelDbfs(samples, 8000, modelHz) > -30) break
  const conversation = await model.conversation()
  t.equal(conversation.authorization, 'Bearer sk-test')
  await call.hangup()
  await conversation.end()
  await model.stop()
  const other = await phone.call(`sip:shop@127.0.0.1:${port}`)
  for await (const { samples } of other.media.input) if (levelDbfs(samples) > -35) break
  await other.hangup()
  await example.prints(/cannot be reached|ECONNREFUSED/)
  t.equal(await example.interrupt(), 0, example.output)
  await phone.close()
})

t.test('routing: the menu in place of a bot that is down, a queue, and a number nobody has', async t => {
  // Port 1 is nobody's.
  const example = new Program('examples/routing', folder, { ...anyPort, BOT: 'ws://127.0.0.1:1/' })
  const [, port = ''] = await example.prints(/udp:\/\/127\.0\.0\.1:(\d+)/)
  const phone = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  for (const dialled of ['020 7946 0018', '+442079460555']) {
    const call = await phone.call(`sip:${encodeURIComponent(dialled)}@127.0.0.1:${port}`)
    for await (const { samples } of call.media.input) if (levelDbfs(samples) > -35) break
    await call.hangup()
  }
  await t.rejects(phone.call(`sip:+15550100@127.0.0.1:${port}`), /404/)
  await example.prints(/route the bot: agent bot\n\s*route the bot: agent desk, because /)
  await example.prints(/route the desk: queue nobody before it\n\s*route the desk: agent desk/)
  t.match(example.output, /fell back: /)
  t.equal(await example.interrupt(), 0, example.output)
  t.match(example.output, /calls by route: \{ 'the bot': 1, 'the desk': 1, none: 1 \}/)
  await phone.close()
})

t.test('stream-bot: the bot of docs/engine-websocket.md echoes, and hangs up on #', async t => {
  const page = readFileSync(join(repositoryRoot, 'docs/engine-websocket.md'), 'utf8')
  const code = /```js\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
  const told = 'port: 0 }).on("listening", function () { console.log("port", this.address().port) })'
  const bot = spawn(process.execPath, ['--input-type=module', '-e', code.replace('port: 8765 })', told)], {
    cwd: repositoryRoot,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => bot.kill())
  const [line] = (await once(bot.stdout, 'data')) as [Buffer]
  const botPort = /port (\d+)/.exec(line.toString())?.[1] ?? ''
  const BOT = `ws://127.0.0.1:${botPort}/`
  const example = new Program('examples/stream-bot', folder, { ...anyPort, BOT, DIALECT: 'offhook' })
  const [, port = ''] = await example.prints(/udp:\/\/127\.0\.0\.1:(\d+)/)
  t.ok((await heardBack(port, 700)) > -30, 'the caller hears itself')
  await example.prints(/engine offhook, connected after .* ended by the engine: it asked to hang up/)
  t.equal(await example.interrupt(), 0, example.output)
})

t.test(
  'stream-bot: a plain WebSocket server that speaks as Twilio’s samples do; without one the menu speaks',
  async t => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    await once(server, 'listening')
    const media = tone({ sampleRate: 8000, hz: 1000, durationMs: 2000 })
    const octets = new Uint8Array(media.length)
    PCMU.encoder().encode(media, octets)
    const marks: string[] = []
    server.on('connection', socket => {
      socket.on('message', data => {
        const message = JSON.parse((data as Buffer).toString()) as { event: string; [key: string]: unknown }
        if (message.event === 'dtmf') socket.close()
        if (message.event === 'mark') marks.push((message['mark'] as { name: string }).name)
        if (message.event !== 'start') return
        const { streamSid } = message
        const payload = Buffer.from(octets).toString('base64')
        socket.send(JSON.stringify({ event: 'mark', streamSid, mark: { name: 'hello' } }))
        socket.send(JSON.stringify({ event: 'media', streamSid, media: { payload } }))
      })
    })
    const { port: botPort } = server.address() as { port: number }
    const BOT = `ws://127.0.0.1:${botPort}/`
    const example = new Program('examples/stream-bot', folder, { ...anyPort, BOT, TWILIO_AUTH_TOKEN: 'x' })
    const [, port = ''] = await example.prints(/udp:\/\/127\.0\.0\.1:(\d+)/)
    t.ok((await heardBack(port, 1000)) > -30, 'the caller hears the bot')
    t.same(marks, ['hello'])
    await example.prints(/engine twilio, connected after .* ended by the engine: it closed with 1005/)
    server.close()
    const phone = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
    const call = await phone.call(`sip:bot@127.0.0.1:${port}`)
    for await (const { samples } of call.media.input) if (levelDbfs(samples) > -40) break
    await call.hangup()
    await phone.close()
    await example.prints(/engine twilio, never connected, failed: .*nobody listens there/)
    t.equal(await example.interrupt(), 0, example.output)
  },
)

t.test('conference: each of three callers hears the other two', async t => {
  const conference = new Program('examples/conference', folder)
  t.equal(await conference.ended, 0, conference.output)
  t.match(conference.output, /600 Hz hears 1000 and 1500 Hz/)
  t.match(conference.output, /1000 Hz hears 600 and 1500 Hz/)
  t.match(conference.output, /1500 Hz hears 600 and 1000 Hz/)
})

t.test('warm-transfer: music, whisper, and the two alone; or the caller back', async t => {
  const taken = new Program('examples/warm-transfer', folder)
  t.equal(await taken.ended, 0, taken.output)
  t.match(
    taken.output,
    /desk hears: whisper\n.*caller hears: music\n.*connected\n.*desk hears: caller\n.*caller hears: desk\n/,
  )
  const declined = new Program('examples/warm-transfer', folder, { KEY: '2' })
  t.equal(await declined.ended, 0, declined.output)
  t.match(declined.output, /declined\n.*desk hears: nothing\n.*caller hears: agent\n/)
})

t.test('serve: the agent of examples/serve.yaml says back what it hears until # is pressed', async t => {
  const config = readFileSync(join(repositoryRoot, 'examples/serve.yaml'), 'utf8')
  const agent = fileURLToPath(new URL('../../examples/serve-bot.js', import.meta.url))
  writeFileSync(
    join(folder, 'serve.yaml'),
    config
      .replaceAll(/(127\.0\.0\.1):\d+/g, '$1:0')
      .replace('port: 9090', 'port: 0')
      .replace('../dist/examples/serve-bot.js', agent)
      .replace('../traces', 'traces'),
  )
  const serve = new Program('src/cli/main', folder, {}, ['serve', 'serve.yaml'])
  const [, port] = await serve.prints(/serving on udp:\/\/127\.0\.0\.1:(\d+)/)
  const phone = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  const call = await phone.call(`sip:bot@127.0.0.1:${port}`)
  void call.media.output.write(tone({ sampleRate: 8000, hz: 440, durationMs: 2_000 }))
  for await (const { samples } of call.media.input) if (goertzelDbfs(samples, 8000, 440) > -20) break
  await call.sendDtmf('#')
  t.match(await call.ended, { by: 'remote', cause: 'hangup' })
  await phone.close()
  t.equal(await serve.interrupt(), 0, serve.output)
})

t.test('answering-machine waits for the beep and leaves its message', async t => {
  const caller = new Program('examples/answering-machine', folder)
  t.equal(await caller.ended, 0, caller.output)
  t.match(caller.output, /answered by: beep/)
  t.match(caller.output, /the machine has recorded the message/)
})

t.test('proxy: a phone registers with it and is called through it; others are not', async t => {
  const proxy = new Program('examples/proxy', folder, { PORT: '0' })
  const [, port] = await proxy.prints(/udp:\/\/127\.0\.0\.1:(\d+)/)
  const phone = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  await phone.register({ aor: 'sip:desk@127.0.0.1', registrar: `sip:127.0.0.1:${port}` }).ready
  void phone.serve(async call => {
    await call.answer()
    await call.ended
  })
  const call = (user: string): Program =>
    new Program('src/cli/main', folder, {}, [
      'call',
      `sip:${user}@127.0.0.1:${port}`,
      '--listen',
      'udp://127.0.0.1:0',
      '--duration',
      '0.3',
      '--json',
    ])
  const through = call('desk')
  t.equal(await through.ended, 0, through.output)
  const refused = call('nobody')
  t.equal(await refused.ended, 1, refused.output)
  t.match(refused.output, /480/)
  await phone.close()
  t.equal(await proxy.interrupt(), 0, proxy.output)
  t.match(proxy.output, /^0 users registered; [^]*forwarded: 2,/m, 'INVITE and BYE; the phone has left')
})

t.test('registrar: answer registers with it, and who calls there is told where it is', async t => {
  const registrar = new Program('examples/registrar', folder, { LISTEN_PORT: '0' })
  const [, port] = await registrar.prints(/on port (\d+)/)
  const answer = new Program('src/cli/main', folder, {}, [
    'answer',
    '--listen',
    'udp://127.0.0.1:0',
    '--json',
    '--register',
    'sip:echo@127.0.0.1',
    '--password',
    'wonderland',
    '--registrar',
    `sip:127.0.0.1:${port}`,
  ])
  await answer.prints(/"event":"registered"/)
  const [, contact] = await registrar.prints(/added sip:echo@127\.0\.0\.1 (sip:echo@127\.0\.0\.1:\d+)/)
  const call = new Program('examples/call', folder, {
    LISTEN: 'udp://127.0.0.1:0',
    TARGET: contact ?? '',
    SECONDS_UP: '0.2',
  })
  t.equal(await call.ended, 0, call.output)
  t.equal(await answer.interrupt(), 0, answer.output)
  await registrar.prints(/removed sip:echo@127\.0\.0\.1/)
  t.equal(await registrar.interrupt(), 0, registrar.output)
})

t.test('transfer: callers are sent on, blind and attended, and may ask for it', async t => {
  const desk = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  const replaced: boolean[] = []
  void desk.serve(async call => {
    replaced.push(call.replaces !== undefined)
    await call.answer()
    await call.ended
  })
  const uri = `sip:desk@${desk.listening[0]?.slice('udp://'.length) ?? ''}`
  const example = new Program('examples/transfer', folder, { ...anyPort, DESK: uri })
  const [, port] = await example.prints(/udp:\/\/127\.0\.0\.1:(\d+)/)
  const phone = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  for (const digit of ['1', '2']) {
    const call = await phone.call(`sip:agent@127.0.0.1:${port}`)
    const moved = new Promise<void>((resolve, reject) => {
      call.on('transfer', request => {
        request
          .accept()
          .then(async next => void (await next.hangup()))
          .then(resolve, reject)
      })
    })
    await call.sendDtmf(digit)
    await moved
    await call.ended
  }
  t.same(replaced, [false, false, true], 'blind; consulted, and then taken over')
  await example.prints(/attended: transferred/)
  t.match(example.output, /blind: transferred/)
  const call = await phone.call(`sip:agent@127.0.0.1:${port}`)
  t.match(await call.transfer('sip:stranger@127.0.0.1'), { outcome: 'refused', statusCode: 603 })
  t.match(await call.transfer(uri), { outcome: 'transferred' })
  await phone.close()
  await desk.close()
  t.equal(await example.interrupt(), 0, example.output)
})

t.test(
  'trunk: a call goes by the second trunk when nobody is at the first, and says why when by none',
  async t => {
    const answer = new Program('examples/answer', folder, { LISTEN: 'tcp://127.0.0.1:0' })
    const [, port] = await answer.prints(/tcp:\/\/127\.0\.0\.1:(\d+)/)
    // Port 1 is nobody's.
    const trunk = new Program('examples/trunk', folder, { FIRST: '127.0.0.1:1', SECOND: `127.0.0.1:${port}` })
    t.equal(await trunk.ended, 0, trunk.output)
    t.match(trunk.output, /first: unknown -> down, cannot connect/)
    t.match(trunk.output, /answered by second, PCMU/)
    t.equal(await answer.interrupt(), 0, answer.output)
    const lost = new Program('examples/trunk', folder, { FIRST: '127.0.0.1:1', SECOND: '127.0.0.1:1' })
    t.equal(await lost.ended, 1, lost.output)
    t.match(
      lost.output,
      /^first \(127\.0\.0\.1:1\): cannot connect.*\nsecond \(127\.0\.0\.1:1\): cannot connect/m,
    )
  },
)
