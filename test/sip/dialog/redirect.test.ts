import { array, assert, constantFrom, integer, nat, property, record } from 'fast-check'
import t from 'tap'
import { createRequest, createResponse } from '../../../src/sip/message/build.ts'
import type { SipResponse } from '../../../src/sip/message/message.ts'
import { parseUri } from '../../../src/sip/message/uri.ts'
import { SipResponseError } from '../../../src/sip/dialog/errors.ts'
import { checkRedirects, Redirects, redirectTargets } from '../../../src/sip/dialog/redirect.ts'
import type { RedirectOptions } from '../../../src/sip/dialog/redirect.ts'
import type { InviteClientSession } from '../../../src/sip/dialog/session-types.ts'
import { PEER, recorder, sdp, World } from './world.ts'

const first = 'sip:bob@one.example'

function answer(statusCode: number, ...contacts: string[]): SipResponse {
  const request = createRequest({
    method: 'INVITE',
    uri: first,
    headers: [
      ['Via', 'SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1'],
      ['From', '<sip:a@192.0.2.1>;tag=a'],
      ['To', `<${first}>`],
      ['Call-ID', 'c'],
      ['CSeq', '1 INVITE'],
    ],
  })
  return createResponse(request, statusCode, {
    headers: contacts.map(contact => ['Contact', contact] as const),
  })
}

function follow(options: RedirectOptions, ...answers: SipResponse[]): (string | undefined)[] {
  const redirects = new Redirects(options, parseUri(first))
  return answers.map(response => redirects.next(response)?.target)
}

t.test('the addresses of a 3xx: by q, then as written (RFC 3261 §20.10)', async t => {
  const rows: [string, string[], string[]][] = [
    ['one', ['<sip:a@x>'], ['sip:a@x']],
    ['by q', ['<sip:a@x>;q=0.1', '<sip:b@x>;q=0.9', '<sip:c@x>;q=0.5'], ['sip:b@x', 'sip:c@x', 'sip:a@x']],
    ['none is 1', ['<sip:a@x>;q=0.9', '<sip:b@x>'], ['sip:b@x', 'sip:a@x']],
    ['nonsense is 1', ['<sip:a@x>;q=0.9', '<sip:b@x>;q=7'], ['sip:b@x', 'sip:a@x']],
    ['equal', ['<sip:a@x>, <sip:b@x>', '<sip:c@x>'], ['sip:a@x', 'sip:b@x', 'sip:c@x']],
    ['other schemes are told too', ['<tel:+15550100>'], ['tel:+15550100']],
    ['none', [], []],
    ['a star', ['*'], []],
  ]
  for (const [name, contacts, targets] of rows) {
    t.same(redirectTargets(answer(302, ...contacts)), targets, name)
  }
  t.same(redirectTargets(answer(486, '<sip:a@x>')), [], 'not of a 4xx')
  t.same(new SipResponseError('INVITE', answer(302, '<sip:a@x>')).targets, ['sip:a@x'])
})

t.test('who is called next (RFC 3261 §8.1.3.4)', async t => {
  const rows: [string, RedirectOptions, SipResponse[], (string | undefined)[]][] = [
    ['302', { max: 1 }, [answer(302, '<sip:a@x>')], ['sip:a@x']],
    [
      '300, 301, 380 alike',
      { max: 3 },
      [answer(300, '<sip:a@x>'), answer(301, '<sip:b@x>'), answer(380, '<sip:c@x>')],
      ['sip:a@x', 'sip:b@x', 'sip:c@x'],
    ],
    ['380 with nothing but a page', { max: 1 }, [answer(380)], [undefined]],
    ['305: the same again by that proxy', { max: 1 }, [answer(305, '<sip:proxy@x>')], [first]],
    ['not at all', { max: 0 }, [answer(302, '<sip:a@x>')], [undefined]],
    [
      'a limit for the whole call',
      { max: 2 },
      [answer(302, '<sip:a@x>'), answer(302, '<sip:b@x>'), answer(302, '<sip:c@x>')],
      ['sip:a@x', 'sip:b@x', undefined],
    ],
    ['a loop', { max: 9 }, [answer(302, '<sip:a@x>'), answer(302, `<${first}>`)], ['sip:a@x', undefined]],
    [
      'the next after a refusal',
      { max: 9 },
      [answer(302, '<sip:a@x>', '<sip:b@x>'), answer(486), answer(404)],
      ['sip:a@x', 'sip:b@x', undefined],
    ],
    [
      'no next after a 6xx',
      { max: 9 },
      [answer(302, '<sip:a@x>', '<sip:b@x>'), answer(603)],
      ['sip:a@x', undefined],
    ],
    ['a refusal alone leads nowhere', { max: 9 }, [answer(486)], [undefined]],
    [
      'what cannot be called is passed over',
      { max: 9 },
      [answer(302, '<tel:+15550100>', '<mailto:a@x>', '<sip:c@x>')],
      ['sip:c@x'],
    ],
    [
      'another method',
      { max: 9 },
      [answer(302, '<sip:a@x;method=SUBSCRIBE>', '<sip:b@x;method=INVITE>')],
      ['sip:b@x'],
    ],
    [
      'same host only',
      { max: 9, sameHostOnly: true },
      [answer(302, '<sip:a@x>', '<sip:c@ONE.example:5080>')],
      ['sip:c@ONE.example:5080'],
    ],
  ]
  for (const [name, options, answers, targets] of rows) t.same(follow(options, ...answers), targets, name)
  const secure = new Redirects({ max: 9 }, parseUri('sips:bob@one.example'))
  t.equal(secure.next(answer(302, '<sip:a@x>', '<sips:b@x>'))?.target, 'sips:b@x', 'sips stays sips')
})

t.test('header fields of a Contact, but for those that are ours (RFC 3261 §19.1.5)', async t => {
  const redirects = new Redirects({ max: 1 }, parseUri(first))
  const next = redirects.next(
    answer(302, '<sip:a@x?X-Queue=5&From=evil%40x&body=hello&Route=%3csip:b%3e&Bad=a%0D%0AVia:%20x>'),
  )
  t.same(next, { target: 'sip:a@x', headers: [['X-Queue', '5']], route: undefined })
})

t.test('no list of answers makes more attempts than allowed, or one twice', async () => {
  const contact = integer({ min: 0, max: 5 }).map(n => `<sip:u${n}@x>`)
  const response = record({
    status: constantFrom(300, 302, 305, 404, 486, 603),
    contacts: array(contact, { maxLength: 4 }),
  })
  assert(
    property(array(response), nat(6), (answers, max) => {
      const redirects = new Redirects({ max }, parseUri(first))
      const tried: string[] = []
      for (const { status, contacts } of answers) {
        const next = redirects.next(answer(status, ...contacts))
        if (next !== undefined) tried.push(`${next.target} ${next.route}`)
      }
      return (
        tried.length <= max && new Set(tried).size === tried.length && redirects.followed === tried.length
      )
    }),
    { numRuns: 60 },
  )
})

t.test('a limit that is none is refused', async t => {
  for (const max of [-1, 1.5, 65, Number.NaN]) t.throws(() => checkRedirects({ max }), { code: 'SIP_OPTION' })
})

async function calling(
  followRedirects?: RedirectOptions,
): Promise<{ world: World; session: InviteClientSession }> {
  const world = await World.create()
  const session = world.core.invite({
    target: `sip:peer@${PEER}`,
    from: 'sip:agent@192.0.2.1',
    offer: sdp('offer'),
    handlers: recorder(),
    ...(followRedirects === undefined ? {} : { followRedirects }),
  })
  await world.run()
  return { world, session }
}

t.test('a call goes on at the new address: same Call-ID, To and From, next CSeq', async t => {
  const { world, session } = await calling({ max: 2 })
  const other = await world.peerAt('192.0.2.9')
  const invite = world.peer.lastRequest('INVITE')
  world.peer.respond(invite, 302, { contact: '<sip:other@192.0.2.9?X-Why=moved>' })
  await world.run()
  t.equal(world.peer.requests('ACK').length, 1)
  const second = other.lastRequest('INVITE')
  t.equal(second.requestUri, 'sip:other@192.0.2.9')
  t.equal(second.callId, invite.callId)
  t.equal(String(second.from), String(invite.from))
  t.equal(String(second.to), String(invite.to))
  t.equal(second.cseq.sequence, invite.cseq.sequence + 1)
  t.equal(second.headers.get('X-Why'), 'moved')
  other.respond(second, 200, { body: sdp('answer') })
  await world.run()
  t.equal(session.state, 'confirmed')
  t.equal(other.requests('ACK').length, 1)
})

t.test('an address that does not answer is left for the next', async t => {
  const { world, session } = await calling({ max: 5 })
  const other = await world.peerAt('192.0.2.9')
  world.peer.respond(world.peer.lastRequest('INVITE'), 300, {
    contact: undefined,
    headers: [['Contact', '<sip:nobody@192.0.2.77>;q=0.9, <sip:other@192.0.2.9>;q=0.5']],
  })
  await world.run(33_000)
  other.respond(other.lastRequest('INVITE'), 486)
  await world.run()
  t.match(session.end, { cause: 'refused', statusCode: 486, error: { code: 'SIP_RESPONSE' } })
})

t.test('given up while the redirection is followed: CANCEL goes to the new address', async t => {
  const { world, session } = await calling({ max: 2 })
  const other = await world.peerAt('192.0.2.9')
  world.peer.respond(world.peer.lastRequest('INVITE'), 302, { contact: '<sip:other@192.0.2.9>' })
  await world.run()
  other.respond(other.lastRequest('INVITE'), 180)
  await world.run()
  session.hangup()
  await world.run()
  t.equal(other.requests('CANCEL').length, 1)
  t.equal(world.peer.requests('CANCEL').length, 0)
  other.respond(other.lastRequest('CANCEL'), 200)
  other.respond(other.lastRequest('INVITE'), 487)
  await world.run(70_000)
  t.match(session.end, { cause: 'cancelled' })
  t.equal(world.core.size, 0)
})

t.test('305 is followed by way of the proxy it names (RFC 3261 §21.3.4)', async t => {
  const { world } = await calling({ max: 1 })
  const proxy = await world.peerAt('192.0.2.9')
  world.peer.respond(world.peer.lastRequest('INVITE'), 305, { contact: '<sip:192.0.2.9>' })
  await world.run()
  t.equal(proxy.lastRequest('INVITE').requestUri, `sip:peer@${PEER}`)
  t.equal(proxy.lastRequest('INVITE').headers.get('Route'), '<sip:192.0.2.9;lr>')
})

t.test('without the option a 3xx ends the call, and its addresses are told', async t => {
  const { world, session } = await calling()
  world.peer.respond(world.peer.lastRequest('INVITE'), 302, { contact: '<sip:other@192.0.2.9>' })
  await world.run()
  t.match(session.end, { cause: 'refused', statusCode: 302, error: { targets: ['sip:other@192.0.2.9'] } })
})
