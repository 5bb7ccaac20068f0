import t from 'tap'
import { entrySources, readTree } from '../support/repository.ts'
import { findOffences } from './rules.ts'

t.test('no import in src points up, the wings do not know each other, and time comes from runtime', t => {
  const sources = readTree('src')
  t.ok(sources.has('src/runtime/runtime.ts'), 'the sources were found')
  t.strictSame(findOffences(sources, entrySources()), [])
  t.end()
})

const entries = ['src/index.ts', 'src/sip/index.ts']

const good: Readonly<Record<string, string>> = {
  'src/index.ts': "export { Endpoint } from './call/endpoint.ts'\n",
  'src/sip/index.ts': "export * from './message/parser.ts'\n",
  'src/runtime/runtime.ts': "import { createSocket } from 'node:dgram'\nsetTimeout(() => {}, 1)\n",
  'src/sip/message/parser.ts':
    "/**\n * import { x } from '../../call/endpoint.ts'\n * setTimeout(run)\n */\n",
  'src/sip/dialog/dialog.ts':
    "import {\n  parse,\n} from '../message/parser.ts'\nimport type { R } from '../../runtime/runtime.ts'\n",
  'src/media/sdp/parse.ts': "import { parse } from 'sdp-transform'\n",
  'src/media/session/session.ts': "import { p } from '../sdp/parse.ts'\n",
  'src/call/endpoint.ts':
    "import { s } from '../media/session/session.ts'\nimport { d } from '../sip/dialog/dialog.ts'\n",
  'src/trace/ladder.ts': "import { e } from '../call/endpoint.ts'\n",
  'src/agent/echo.ts': "import type { E } from '../call/endpoint.ts'\n",
  'src/testing/lab.ts': "import { e } from '../call/endpoint.ts'\nsetImmediate(run)\n",
  'src/cli/main.ts': "import { e } from '../index.ts'\nimport { l } from '../trace/ladder.ts'\nDate.now()\n",
}

t.test('a tree in order has no offence', t => {
  t.strictSame(findOffences(new Map(Object.entries(good)), entries), [])
  t.end()
})

const bad: readonly (readonly [name: string, path: string, text: string, offence: RegExp])[] = [
  ['upwards', 'src/sip/message/a.ts', "import { d } from '../dialog/dialog.ts'\n", /against the order/],
  [
    'upwards by type',
    'src/runtime/a.ts',
    "import type { E } from '../call/endpoint.ts'\n",
    /against the order/,
  ],
  [
    'upwards by re-export',
    'src/runtime/a.ts',
    "export { E } from '../call/endpoint.ts'\n",
    /against the order/,
  ],
  [
    'upwards by import()',
    'src/runtime/a.ts',
    "const x = await import('../call/endpoint.ts')\n",
    /against the order/,
  ],
  [
    'upwards over several lines',
    'src/runtime/a.ts',
    "import {\n  e,\n  f,\n} from '../call/endpoint.ts'\n",
    /against/,
  ],
  [
    'signalling to media',
    'src/sip/dialog/a.ts',
    "import { p } from '../../media/sdp/parse.ts'\n",
    /against the order/,
  ],
  [
    'media to signalling',
    'src/media/session/a.ts',
    "import { p } from '../../sip/message/parser.ts'\n",
    /against/,
  ],
  ['between siblings', 'src/media/codec/a.ts', "import { p } from '../sdp/parse.ts'\n", /against the order/],
  ['agent to trace', 'src/agent/a.ts', "import { l } from '../trace/ladder.ts'\n", /against the order/],
  ['call to trace', 'src/call/a.ts', "import { l } from '../trace/ladder.ts'\n", /against the order/],
  ['cli to testing', 'src/cli/a.ts', "import { l } from '../testing/lab.ts'\n", /against the order/],
  ['to an entry from within', 'src/call/a.ts', "import { x } from '../sip/index.ts'\n", /public entry/],
  ['to nothing', 'src/call/a.ts', "import { x } from './gone.ts'\n", /no source file/],
  ['out of src', 'src/call/a.ts', "import { x } from '../../test/x.ts'\n", /no source file/],
  ['a package', 'src/call/a.ts', "import { parse } from 'sdp-transform'\n", /imports the package/],
  ['setTimeout', 'src/call/a.ts', 'setTimeout(() => {}, 20)\n', /takes a timer/],
  ['Date.now', 'src/trace/a.ts', 'const at = Date.now()\n', /takes the time of day/],
  ['Math.random', 'src/media/rtp/a.ts', 'const ssrc = Math.random()\n', /takes randomness/],
  ['node:crypto randomness', 'src/sip/auth/a.ts', 'const cnonce = randomBytes(8)\n', /takes randomness/],
  ['performance.now', 'src/media/rtp/a.ts', 'const at = performance.now()\n', /system clock/],
  [
    'node:dgram',
    'src/sip/transport/a.ts',
    "import { createSocket } from 'node:dgram'\n",
    /takes the network/,
  ],
  ['a barrel', 'src/call/index.ts', "export { E } from './endpoint.ts'\n", /barrel/],
  ['a barrel by star', 'src/call/all.ts', "export * from './endpoint.ts'\n", /barrel/],
  ['an unknown folder', 'src/helpers/a.ts', '', /in no layer/],
]

for (const [name, path, text, offence] of bad) {
  t.test(`the check catches: ${name}`, t => {
    const found = findOffences(new Map([...Object.entries(good), [path, text]]), entries)
    t.equal(found.length, 1)
    t.match(found[0], offence)
    t.ok(found[0]?.startsWith(path))
    t.end()
  })
}
