import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { createEndpoint } from '../../src/call/endpoint.ts'
import type { Endpoint } from '../../src/call/endpoint.ts'
import type { IncomingCall } from '../../src/call/incoming-call.ts'
import { repositoryRoot } from '../support/repository.ts'
import { answer } from '../../src/cli/answer.ts'
import { call } from '../../src/cli/call.ts'
import { demo } from '../../src/cli/demo.ts'
import { plainCommand } from '../support/plain-command.ts'

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'offhook-cli-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

interface Report {
  readonly event: string
  readonly [field: string]: unknown
}

interface Command {
  readonly child: ChildProcess
  /** Its exit status, and all it printed. */
  readonly done: Promise<{ readonly status: number | null; readonly out: string; readonly err: string }>
  /** The first JSON report of that kind. */
  report(event: string): Promise<Report>
}

/** `offhook …` as its users run it, in a process of its own. */
function offhook(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Command {
  const [command, commandArgs] = plainCommand(process.execPath, [main, ...args])
  const child = spawn(command, commandArgs, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString()
  })
  const done = new Promise<{ status: number | null; out: string; err: string }>(resolve => {
    child.on('close', status => resolve({ status, out, err }))
  })
  const find = (event: string): Report | undefined =>
    out
      .split('\n')
      .slice(0, -1)
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line) as Report)
      .find(report => report.event === event)
  return {
    child,
    done,
    report: event =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = find(event)
          if (found !== undefined) resolve(found)
        }
        look()
        child.stdout.on('data', look)
        void done.then(() => reject(new Error(`ended before "${event}": ${out}${err}`)))
      }),
  }
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex')
}

/** Somebody to call on this machine, and the URI. */
async function answering(handler: (call: IncomingCall) => void | Promise<void>): Promise<{
  endpoint: Endpoint
  target: string
}> {
  const endpoint = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  t.teardown(() => endpoint.close({ giveUpMs: 100 }))
  void endpoint.serve(handler)
  return { endpoint, target: `sip:test@${endpoint.listening[0]?.replace('udp://', '')}` }
}

const loopback = ['--listen', 'udp://127.0.0.1:0', '--json']
const nobody = 'sip:x@127.0.0.1:9'

t.test('wrong arguments end with status 2 and say what is wrong', async t => {
  const wrong: readonly (readonly [args: readonly string[], says: RegExp])[] = [
    [['constructor'], /"constructor" is not a command/],
    [['call', nobody, '--dtmf', 'zz', ...loopback], /--dtmf: character 1 is not a digit/],
    [['answer', '--trace', join(main, 'x'), ...loopback], /--trace/],
  ]
  const results = await Promise.all(wrong.map(([args]) => offhook(args).done))
  for (const [index, { status, err, out }] of results.entries()) {
    const [args, says] = wrong[index] ?? []
    t.equal(status, 2, `${args?.join(' ')}: ${err.split('\n')[0]}`)
    t.match(err, says)
    t.equal(out, '', 'before anything was done')
  }
})

t.test('each option that makes no sense is refused by its name, before anybody is called', async t => {
  const wrong: readonly (readonly [run: () => Promise<number>, field: string, says: RegExp])[] = [
    [() => answer(['extra']), 'arguments', /extra/],
    [() => answer(['--nonsense']), 'arguments', /nonsense/],
    [() => answer(['--agent', 'constructor']), '--agent', /"constructor" is neither/],
    [() => demo(['extra']), 'arguments', /extra/],
    [() => call([]), 'URI', /whom to call/],
    [() => call(['not a uri']), 'URI', /SIP URI/],
    [() => call([nobody, 'sip:y@127.0.0.1']), 'URI', /one call at a time/],
    [() => call([nobody, '--from', ':']), '--from', /SIP URI/],
    [() => call([nobody, '--proxy', ':']), '--proxy', /SIP URI/],
    [() => call([nobody, '--play', 'missing.wav']), '--play', /missing\.wav cannot be played/],
    [() => call([nobody, '--ring', '86401']), '--ring', /86400/],
    [() => call([nobody, '--ring', '0']), '--ring', /give seconds/],
    [() => call([nobody, '--duration', '1e9']), '--duration', /86400/],
    [() => call([nobody, '--duration', '']), '--duration', /not a number/],
    [() => call([nobody, '--transfer', 'mailto:x']), '--transfer', /SIP or tel URI/],
    [() => call([nobody, '--redirects', '1.5']), '--redirects', /whole number/],
    [() => call([nobody, '--session-timer', '30']), '--session-timer', /90 or more/],
    [() => answer(['--max-duration', '0']), '--max-duration', /give seconds/],
    [() => call([nobody, '--password', 'x']), '--user', /needs a user name/],
  ]
  for (const [run, field, message] of wrong) await t.rejects(run(), { code: 'SIP_OPTION', field, message })
})

t.test('a refused call ends with status 1 and says how it was refused', async t => {
  const { target } = await answering(call => call.reject(486))
  const { status, out } = await offhook(['call', target, ...loopback]).done
  t.equal(status, 1)
  t.match(out, /"failed".*486/)
})

t.test('a call that was answered and ended ends with status 0', async t => {
  const digits: string[] = []
  const { target } = await answering(async call => {
    await call.answer()
    for await (const { digit } of call.dtmf()) digits.push(digit)
  })
  const { status, out } = await offhook(['call', target, '--dtmf', '42', '--mask-digits', ...loopback]).done
  t.equal(status, 0)
  t.same(digits, ['4', '2'], 'the keys were heard')
  t.match(out, /"digitsSent":"\*\*"/, 'and not shown')
})

t.test('a call transfers the other side, and its status says whether that came about', async t => {
  const desk = await answering(async call => {
    await call.answer()
    await call.ended
  })
  const busy = await answering(call => call.reject(486))
  const { target } = await answering(async call => {
    call.on('transfer', request => {
      request.accept().then(
        next => void call.ended.then(() => next.hangup()),
        () => {},
      )
    })
    await call.answer()
    await call.ended
  })
  const run = (uri: string): ReturnType<typeof offhook>['done'] =>
    offhook(['call', target, '--transfer', uri, ...loopback]).done
  const [reached, refused] = await Promise.all([run(desk.target), run(busy.target)])
  t.equal(reached?.status, 0)
  t.match(reached?.out, /"event":"transfer","outcome":"transferred","cause":"notified"/)
  t.equal(refused?.status, 1)
  t.match(refused?.out, /"event":"transfer","outcome":"failed","cause":"notified","statusCode":486/)
})

t.test('a redirection is followed when the command says so', async t => {
  const desk = await answering(async call => {
    await call.answer()
    await call.hangup()
  })
  const { target } = await answering(call => call.redirect([desk.target]))
  const [followed, told] = await Promise.all([
    offhook(['call', target, '--redirects', '1', ...loopback]).done,
    offhook(['call', target, ...loopback]).done,
  ])
  t.equal(followed?.status, 0)
  t.equal(told?.status, 1)
  t.match(told?.out, /302/)
})

t.test('answer hangs up when the longest a call may last has passed', async t => {
  const command = offhook(['answer', '--max-duration', '0.2', '--session-timer', 'off', ...loopback])
  const { listen } = await command.report('listening')
  const { endpoint } = await answering(call => call.reject(480))
  const made = await endpoint.call(String((listen as string[])[0]).replace('udp://', 'sip:echo@'))
  t.match(await made.ended, { by: 'remote', cause: 'hangup' })
  t.match(await command.report('ended'), { ended: { cause: 'max-duration' } })
  command.child.kill('SIGINT')
  t.equal((await command.done).status, 0)
})

t.test('the password may come from the environment', async t => {
  const answers: (string | undefined)[] = []
  const { target } = await answering(call => {
    const authorization = call.headers.get('Authorization')
    answers.push(
      authorization && /response="(?<response>[0-9a-f]+)"/.exec(authorization)?.groups?.['response'],
    )
    if (authorization !== undefined) return call.reject(486)
    call.reject(401, { headers: [['WWW-Authenticate', 'Digest realm="lab", nonce="n1", algorithm=MD5']] })
  })
  const { out } = await offhook(['call', target, '--user', 'acme', ...loopback], {
    OFFHOOK_PASSWORD: 'secret',
  }).done
  t.same(answers, [undefined, md5(`${md5('acme:lab:secret')}:n1:${md5(`INVITE:${target}`)}`)])
  t.match(out, /486/)
})

t.test('interrupted before the answer: the call is cancelled and the status is 130', async t => {
  let cancelled: unknown
  const { target } = await answering(async call => {
    call.ring()
    cancelled = await call.ended
  })
  const command = offhook(['call', target, ...loopback])
  await command.report('progress')
  command.child.kill('SIGINT')
  t.equal((await command.done).status, 130)
  t.match(cancelled, { by: 'remote', cause: 'cancelled' })
})

t.test('nobody answers: the status is 1 and the time is told in seconds', async t => {
  const { target } = await answering(async call => {
    call.ring()
    await call.ended
  })
  const { status, out } = await offhook(['call', target, '--ring', '0.3', ...loopback]).done
  t.equal(status, 1)
  t.match(out, /nobody answered within 0.3 s/)
})

t.test('a file that cannot be recorded to ends the call, and the status is 1', async t => {
  let ended: unknown
  const { target } = await answering(async call => {
    await call.answer()
    ended = await call.ended
  })
  const file = join(folder, 'no', 'such', 'folder', 'call.wav')
  const { status, out } = await offhook(['call', target, '--record', file, ...loopback]).done
  t.equal(status, 1)
  t.match(out, /"failed"/)
  t.match(ended, { by: 'remote', cause: 'hangup' })
})

t.test('a file that can no longer be played ends the call at once, however long it was to last', async t => {
  const file = join(folder, 'gone.wav')
  const { target } = await answering(async call => {
    rmSync(file)
    await call.answer()
    await call.ended
  })
  copyFileSync(join(repositoryRoot, 'assets', 'caller-hello.wav'), file)
  const { status, out } = await offhook(['call', target, '--play', file, '--duration', '60', ...loopback])
    .done
  t.equal(status, 1)
  t.match(out, /"ended".*"by":"local"[\s\S]*"failed"/)
})

t.test('the duration cuts short what is still to be pressed, and that is no failure', async t => {
  const { target } = await answering(async call => {
    await call.answer()
    await call.ended
  })
  const { status } = await offhook(['call', target, '--dtmf', '12345678', '--duration', '0.2', ...loopback])
    .done
  t.equal(status, 0)
})

t.test('answer, interrupted with a call up, hangs up and ends with status 0', async t => {
  const command = offhook([
    'answer',
    '--agent',
    'echo',
    '--trace',
    join(folder, 'trace'),
    '--mask-digits',
    ...loopback,
  ])
  const { listen } = await command.report('listening')
  const { endpoint } = await answering(call => call.reject(480))
  const made = await endpoint.call(String((listen as string[])[0]).replace('udp://', 'sip:echo@'))
  await made.sendDtmf('7')
  const dtmf = await command.report('dtmf')
  t.equal(dtmf['digit'], '*')
  command.child.kill('SIGINT')
  t.match(await made.ended, { by: 'remote', cause: 'hangup' }, 'the caller gets a BYE')
  const { status, out } = await command.done
  t.equal(status, 0)
  t.match(out, /"digitsReceived":"\*"/)
  const ladder = readdirSync(join(folder, 'trace')).find(name => name.endsWith('.ladder.txt'))
  t.match(
    readFileSync(join(folder, 'trace', ladder ?? ''), 'utf8'),
    /INVITE[\s\S]*digit \* received[\s\S]*BYE/,
  )
})

t.test('a trace folder that vanishes costs the files, not the calls', async t => {
  const traces = join(folder, 'vanishing')
  const command = offhook(['answer', '--trace', traces, ...loopback])
  const { listen } = await command.report('listening')
  rmSync(traces, { recursive: true })
  const { endpoint } = await answering(call => call.reject(480))
  const target = String((listen as string[])[0]).replace('udp://', 'sip:echo@')
  const first = await endpoint.call(target)
  await first.hangup()
  t.match(await command.report('error'), { message: /ladder\.txt/ })
  const second = await endpoint.call(target)
  t.equal(second.state, 'confirmed', 'the next call is answered')
  command.child.kill('SIGINT')
  await second.ended
  const { status, out } = await command.done
  t.equal(status, 0)
  t.equal(out.match(/ladder\.txt cannot be written/g)?.length, 1, 'reported once')
  t.match(out, /2 files or lines of the trace could not be written/, 'and counted')
})

t.test('when nobody reads what it prints, call hangs up and ends as after Ctrl-C', async t => {
  let ended: unknown
  const { target } = await answering(async call => {
    await call.answer()
    await call.sendDtmf('1')
    ended = await call.ended
  })
  const command = offhook(['call', target, ...loopback])
  command.child.stdout?.once('data', () => command.child.stdout?.destroy())
  const { status, err } = await command.done
  t.equal(err, '')
  t.equal(status, 0)
  t.match(ended, { by: 'remote', cause: 'hangup' })
})

t.test('trunk check says what it found, and its status whether anything is wrong', async t => {
  const endpoint = await createEndpoint({ listen: ['tcp://127.0.0.1:0'] })
  const host = endpoint.listening[0]!.slice('tcp://'.length)
  const well = offhook(['trunk', 'check', 'generic', '--host', host, '--transport', 'tcp', '--json'])
  t.match(await well.report('checked'), { trunk: 'generic', ok: true, failed: 0, unknown: 1 })
  t.match(await well.done, { status: 0 })
  await endpoint.close()
  const ill = await offhook(['trunk', 'check', 'generic', '--host', host, '--transport', 'tcp']).done
  t.equal(ill.status, 1, ill.err)
  t.match(ill.out, /connect +failed +tcp 127\.0\.0\.1:\d+: .*\n +-> check port and transport/)
})
