import * as fc from 'fast-check'
import t from 'tap'
import { formatNumber } from '../../../src/call/trunks/numbers.ts'
import type { NumberFormat } from '../../../src/call/trunks/numbers.ts'

const e164 = fc.stringMatching(/^[1-9]\d{2,13}$/).map(digits => `+${digits}`)

function normalise(number: string): string | undefined {
  return number.startsWith('0') ? `+44${number.slice(1).replaceAll(/\D/g, '')}` : undefined
}

function national(number: string): string {
  return `0${number.slice(3)}`
}

t.test('numbers go out in the form the carrier wants', async t => {
  const rows: readonly (readonly [string, NumberFormat, string])[] = [
    ['+1 (555) 010-0', 'e164', '+15550100'],
    ['+44 20 7946 0018', 'digits', '442079460018'],
    ['+1.555.0100', 'e164', '+15550100'],
    ['*97', 'as-given', '*97'],
    ['2001', 'as-given', '2001'],
  ]
  for (const [number, format, expected] of rows) t.equal(formatNumber(number, { format }, 'to'), expected)
})

t.test('separators never matter, and what was normalised stays as it is', async () => {
  const separator = fc.constantFrom('', ' ', '-', '.', '(', ')', '/', '\u00A0')
  fc.assert(
    fc.property(e164, fc.array(separator, { minLength: 15, maxLength: 15 }), (number, between) => {
      const written = number
        .split('')
        .map((char, index) => `${char}${between[index] ?? ''}`)
        .join('')
      const once = formatNumber(written, {}, 'to')
      return (
        once === number &&
        formatNumber(once, {}, 'to') === once &&
        formatNumber(once, { format: 'digits' }, 'to') === number.slice(1)
      )
    }),
  )
})

t.test('a national number needs somebody who knows the country', async t => {
  t.throws(() => formatNumber('020 7946 0018', {}, 'to'), {
    code: 'SIP_OPTION',
    message: /^to: .*with \+ and country code.*numbers\.normalise/,
  })
  t.equal(formatNumber('020 7946 0018', { normalise }, 'to'), '+442079460018')
  t.throws(() => formatNumber('hello', { normalise }, 'to'), { message: /made no number/ })
  t.equal(formatNumber('+442079460018', { format: 'national', national }, 'to'), '02079460018')
  t.throws(() => formatNumber('+442079460018', { format: 'national' }, 'to'), {
    message: /^numbers\.national: /,
  })
})

t.test('what is refused is not repeated in the error', async t => {
  for (const format of ['e164', 'as-given'] as const) {
    t.throws(() => formatNumber('01 secret 99', { format }, 'to'), { message: /^to: / })
    try {
      formatNumber('01 secret 99', { format }, 'to')
    } catch (error) {
      t.notMatch((error as Error).message, /secret/)
    }
  }
})
