import * as fc from 'fast-check'
import t from 'tap'
import { OptionError } from '../../../src/runtime/errors.ts'
import { toE164, toNational } from '../../../src/call/routing/e164.ts'

t.test('numbers as people and carriers write them', async t => {
  const british = toE164('GB')
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['+44 20 7946 0018', '+442079460018'],
    ['020 7946 0018', '+442079460018'],
    ['(020) 7946-0018', '+442079460018'],
    ['+44 (0)20 7946 0018', '+442079460018'],
    ['+39 (06) 698 12345', '+390669812345'],
    ['00442079460018', '+442079460018'],
    ['442079460018', '+442079460018'],
    ['12125550123', '+12125550123'],
    ['+15550100', '+15550100'],
    ['999', undefined],
    ['4711', undefined],
    ['support', undefined],
    ['anonymous', undefined],
    ['', undefined],
    ['+0123456789', undefined],
    ['*21#', undefined],
  ]
  for (const [text, number] of rows) t.equal(british(text), number, text)
  t.equal(toE164()('020 7946 0018'), undefined, 'where it is from nobody said')
  t.equal(toE164()('442079460018'), '+442079460018')
  t.equal(toNational('+442079460018'), '02079460018')
  t.throws(() => toE164('XX'), OptionError)
})

t.test('a number that is one already stays as it is, once and again', async () => {
  fc.assert(
    fc.property(
      fc.constantFrom('GB', 'US', 'DE', 'JP', undefined),
      fc.string({ maxLength: 24 }),
      (country, text) => {
        const normalise = toE164(country)
        const once = normalise(text)
        return once === undefined || (/^\+[1-9]\d{1,14}$/.test(once) && normalise(once) === once)
      },
    ),
  )
  fc.assert(
    fc.property(
      fc.bigInt({ min: 10n, max: 999_999_999_999_999n }),
      digits => toE164('US')(`+${digits}`) === `+${digits}`,
    ),
  )
})
