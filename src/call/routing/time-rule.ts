import { OptionError } from '../../runtime/errors.ts'
import type { TimeRule, Weekday } from './types.ts'

const weekdays: readonly Weekday[] = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const dayMs = 86_400_000

/** @throws OptionError naming the field below `field` */
export function timeMatcher(rule: TimeRule, field: string): (wallTimeMs: number) => boolean {
  const local = clockOf(rule.zone, `${field}.zone`)
  const days = daysOf(rule.days, `${field}.days`)
  const dates = datesOf(rule.dates, `${field}.dates`)
  const except = datesOf(rule.except, `${field}.except`)
  const from = minutesOf(rule.from ?? '00:00', `${field}.from`)
  const to = minutesOf(rule.to ?? '24:00', `${field}.to`)
  if (from === to)
    throw new OptionError(
      `${field}.to`,
      'it is when `from` is, so the span is empty; leave both out for the whole day',
    )
  const fits = (midnight: number): boolean => {
    const date = new Date(midnight).toISOString().slice(0, 10)
    return (
      (days?.has(new Date(midnight).getUTCDay()) ?? true) &&
      (dates?.has(date) ?? true) &&
      except?.has(date) !== true
    )
  }
  return wallTimeMs => {
    const { midnight, minute } = local(wallTimeMs)
    if (from < to) return minute >= from && minute < to && fits(midnight)
    return (minute >= from && fits(midnight)) || (minute < to && fits(midnight - dayMs))
  }
}

/** Minute of the day there, and the day, as if it were of UTC. */
function clockOf(
  zone: string,
  field: string,
): (wallTimeMs: number) => { readonly midnight: number; readonly minute: number } {
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
    })
  } catch {
    throw new OptionError(field, `${zone} is no time zone; give one of IANA, Europe/London for example`)
  }
  return wallTimeMs => {
    const parts: Record<string, number> = {}
    for (const { type, value } of format.formatToParts(wallTimeMs)) parts[type] = Number(value)
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0 } = parts
    return { midnight: Date.UTC(year, month - 1, day), minute: hour * 60 + minute }
  }
}

function daysOf(
  given: string | readonly string[] | undefined,
  field: string,
): ReadonlySet<number> | undefined {
  if (given === undefined) return undefined
  const days = new Set<number>()
  for (const span of typeof given === 'string' ? given.split(',') : given) {
    const [first = '', last = first] = span.trim().toLowerCase().split('-')
    const [start, end] = [weekdays.indexOf(first as Weekday), weekdays.indexOf(last as Weekday)]
    if (start < 0 || end < 0) {
      throw new OptionError(field, `${span} is no day of the week; write mon, tue … sun, or mon-fri`)
    }
    for (let day = start; ; day = (day + 1) % 7) {
      days.add(day)
      if (day === end) break
    }
  }
  return days
}

function datesOf(given: readonly string[] | undefined, field: string): ReadonlySet<string> | undefined {
  if (given === undefined) return undefined
  for (const [index, date] of given.entries()) {
    const at = Date.parse(`${date}T00:00:00Z`)
    if (
      !/^\d{4}-\d\d-\d\d$/.test(date) ||
      Number.isNaN(at) ||
      new Date(at).toISOString().slice(0, 10) !== date
    )
      throw new OptionError(`${field}[${index}]`, `${date} is no day; write 2026-12-25`)
  }
  return new Set(given)
}

function minutesOf(text: string, field: string): number {
  const found = /^([01]\d|2[0-4]):([0-5]\d)$/.exec(text)
  const minutes = found === null ? Infinity : Number(found[1]) * 60 + Number(found[2])
  if (minutes > 1440) throw new OptionError(field, `${text} is no time of day; write 09:00, at most 24:00`)
  return minutes
}
