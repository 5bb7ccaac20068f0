import type { Test } from 'tap'
import type { Network } from '../../src/runtime/runtime.ts'
import type {
  HttpListener,
  HttpRequest,
  ListenHttpOptions,
  WebSocketConnection,
} from '../../src/runtime/web.ts'

/** The two ends of one network, and how to let its time pass. */
export interface WebWorld {
  readonly network: Network
  readonly host: string
  readonly fetch: typeof globalThis.fetch
  readonly run: <T>(work: Promise<T>) => Promise<T>
}

type Listening = Omit<ListenHttpOptions, 'host' | 'port' | 'onRequest'> &
  Partial<Pick<ListenHttpOptions, 'onRequest'>>

/** What the real and the simulated network have in common: the same rows run on both. */
export const webBehaviour: readonly (readonly [
  name: string,
  run: (t: Test, world: WebWorld) => Promise<void>,
])[] = [
  [
    'text and binary go both ways, whole and as what they are; subprotocol, path and headers arrive',
    async (t, world) => {
      const requests: HttpRequest[] = []
      const { open, peers } = await server(t, world, {
        onUpgrade: request => {
          requests.push(request)
          return { accept: accepted, protocol: 'two' }
        },
      })
      const peer = peers.next()
      const client = await world.run(
        open('/path?key=1', { headers: { Authorization: 'Bearer x' }, protocols: ['one', 'two'] }),
      )
      const other = await world.run(peer)
      t.equal(client.protocol, 'two')
      t.equal(other.protocol, 'two')
      t.equal(requests[0]?.url, '/path?key=1')
      t.equal(requests[0]?.headers.get('authorization'), 'Bearer x')
      t.equal(requests[0]?.method, 'GET')
      client.send('grüße')
      client.send(new Uint8Array([0xff, 0, 1]))
      t.same(await world.run(messages(other, 2)), ['grüße', [0xff, 0, 1]])
      other.send('back')
      other.send(new Uint8Array(0))
      t.same(await world.run(messages(client, 2)), ['back', []])
      await world.run(new Promise<void>(resolve => client.ping(resolve)))
      const ends = Promise.all([closed(client), closed(other)])
      client.close(4001, 'enough')
      client.send('not any more')
      t.same(await world.run(ends), [
        [4001, 'enough'],
        [4001, 'enough'],
      ])

      function accepted(connection: WebSocketConnection): void {
        peers.give(connection)
      }
    },
  ],
  [
    'what comes before somebody listens waits, and the end comes after it',
    async (t, world) => {
      const { open } = await server(t, world, {
        onUpgrade: () => ({
          accept: connection => {
            connection.send('at once')
            connection.close()
          },
        }),
      })
      const client = await world.run(open('/'))
      const seen: unknown[] = []
      const end = new Promise<void>(resolve => {
        client.onClose = code => {
          seen.push(code)
          resolve()
        }
      })
      client.onMessage = data => seen.push(data)
      await world.run(end)
      t.same(seen, ['at once', 1000])
    },
  ],
  [
    'a connection that breaks ends with 1006',
    async (t, world) => {
      const { open, peers } = await server(t, world, { onUpgrade: () => ({ accept: c => peers.give(c) }) })
      const peer = peers.next()
      const client = await world.run(open('/'))
      client.onMessage = () => {}
      const end = closed(client)
      ;(await world.run(peer)).destroy()
      t.same(await world.run(end), [1006, ''])
    },
  ],
  [
    'a message longer than is allowed closes with 1009',
    async (t, world) => {
      const { open, peers } = await server(t, world, {
        maxMessageBytes: 100,
        onUpgrade: () => ({ accept: c => peers.give(c) }),
      })
      const peer = peers.next()
      const client = await world.run(open('/'))
      client.onMessage = () => {}
      const other = await world.run(peer)
      const heard: unknown[] = []
      other.onMessage = data => heard.push(data)
      const end = closed(client)
      client.send('x'.repeat(101))
      t.equal((await world.run(end))[0], 1009)
      t.same(heard, [])
    },
  ],
  [
    'an upgrade is refused with the status and the words of the server',
    async (t, world) => {
      const { open } = await server(t, world, {
        onUpgrade: ({ headers }) =>
          Promise.resolve({ status: headers.get('x-token') === undefined ? 401 : 503, body: 'no token' }),
      })
      await t.rejects(world.run(open('/secret')), {
        code: 'SIP_TRANSPORT',
        statusCode: 401,
        body: 'no token',
        message: /refused the WebSocket with 401: the credentials/,
      })
      await t.rejects(world.run(open('/', { headers: { 'X-Token': 'a' } })), {
        code: 'SIP_TRANSPORT',
        statusCode: 503,
      })
    },
  ],
  [
    'without onUpgrade a WebSocket is answered with 426, and one whose decision throws with 500',
    async (t, world) => {
      await t.rejects(world.run((await server(t, world, {})).open('/')), {
        code: 'SIP_TRANSPORT',
        statusCode: 426,
      })
      const { open, listener } = await server(t, world, {
        onUpgrade: () => {
          throw new Error('undecided')
        },
      })
      const errors: string[] = []
      listener.onError = error => errors.push(error.message)
      await t.rejects(world.run(open('/')), { code: 'SIP_TRANSPORT', statusCode: 500 })
      t.same(errors, ['undecided'])
    },
  ],
  [
    'requests are answered: method, path, body and headers both ways',
    async (t, world) => {
      const { base, listener } = await server(t, world, {
        onRequest: async ({ method, url, headers, body }) => {
          if (url === '/broken') throw new Error('broken')
          const text = Buffer.from(body).toString()
          return {
            status: 201,
            headers: { 'X-Seen': `${method} ${url} ${headers.get('x-name')}` },
            body: text.toUpperCase(),
          }
        },
        maxBodyBytes: 20,
      })
      const errors: string[] = []
      listener.onError = error => errors.push(error.message)
      const ask = (path: string, init?: RequestInit): Promise<[number, string | null, string]> =>
        world.run(
          world
            .fetch(`${base}${path}`, init)
            .then(
              async r =>
                [r.status, r.headers.get('x-seen'), await r.text()] as [number, string | null, string],
            ),
        )
      t.same(await ask('/a?b=c', { method: 'POST', body: 'hello', headers: { 'X-Name': 'n' } }), [
        201,
        'POST /a?b=c n',
        'HELLO',
      ])
      t.equal((await ask('/', { method: 'POST', body: 'x'.repeat(21) }))[0], 413)
      t.equal((await ask('/broken'))[0], 500)
      t.same(errors, ['broken'])
    },
  ],
  [
    'nobody there, an attempt given up, and what is no URL or no header',
    async (t, world) => {
      const { open, listener } = await server(t, world, {})
      const controller = new AbortController()
      const attempt = open('/', { signal: controller.signal })
      controller.abort(new Error('given up'))
      await t.rejects(world.run(attempt), { message: 'given up' })
      await listener.close()
      await t.rejects(world.run(open('/token-in-path')), {
        code: 'SIP_TRANSPORT',
        message: /^(?!.*token-in-path).*nobody listens there/,
      })
      await t.rejects(world.network.openWebSocket({ url: 'http://example.com/' }), {
        code: 'SIP_OPTION',
        field: 'url',
      })
      await t.rejects(open('/', { headers: { 'X-A': 'a\r\nB: c' } }), {
        code: 'SIP_OPTION',
        field: 'headers',
      })
    },
  ],
]

interface Peers {
  give(connection: WebSocketConnection): void
  next(): Promise<WebSocketConnection>
}

const onRequest = (): Promise<{ status: number }> => Promise.resolve({ status: 404 })

async function server(
  t: Test,
  { network, host, run }: WebWorld,
  options: Listening,
): Promise<{
  readonly listener: HttpListener
  readonly base: string
  readonly peers: Peers
  readonly open: (
    path: string,
    more?: Omit<Parameters<Network['openWebSocket']>[0], 'url'>,
  ) => Promise<WebSocketConnection>
}> {
  let wanted: ((connection: WebSocketConnection) => void) | undefined
  const listener = await run(network.listenHttp({ host, port: 0, onRequest, ...options }))
  t.teardown(() => listener.close())
  const { port } = listener.local
  return {
    listener,
    base: `http://${host}:${port}`,
    peers: {
      give: connection => wanted?.(connection),
      next: () => new Promise(resolve => (wanted = resolve)),
    },
    open: (path, more = {}) => network.openWebSocket({ url: `ws://${host}:${port}${path}`, ...more }),
  }
}

function messages(connection: WebSocketConnection, count: number): Promise<(string | number[])[]> {
  const heard: (string | number[])[] = []
  return new Promise(resolve => {
    connection.onMessage = data => {
      if (heard.push(typeof data === 'string' ? data : [...data]) === count) resolve(heard)
    }
  })
}

function closed(connection: WebSocketConnection): Promise<[number, string]> {
  return new Promise(resolve => {
    connection.onClose = (code, reason) => resolve([code, reason])
  })
}
