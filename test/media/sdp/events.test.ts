import { array, assert, integer, property } from 'fast-check'
import t from 'tap'
import { commonEvents, formatEvents, parseEvents } from '../../../src/media/sdp/events.ts'

t.test('event lists: ranges, single events, and pieces that are neither (RFC 4733 §2.4.1)', async t => {
  t.same([...parseEvents('0-3, 16,66')], [0, 1, 2, 3, 16, 66])
  t.same([...parseEvents('x,-1,5-2,,300,7')], [7])
  t.equal(parseEvents('0-999').size, 256)
})

t.test('property: a list written and read again is the same list', async t => {
  assert(
    property(array(integer({ min: 0, max: 255 })), events => {
      const set = new Set(events)
      const back = parseEvents(formatEvents(set))
      return back.size === set.size && [...back].every(event => set.has(event))
    }),
  )
  t.pass()
})

t.test('what two lists share, or the first when they share nothing', async t => {
  t.equal(commonEvents('0-16', '0-15'), '0-15')
  t.equal(commonEvents('0-11,16', '0-16'), '0-11,16')
  t.equal(commonEvents('66', '0-15'), '66')
})
