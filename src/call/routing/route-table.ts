import { OptionError } from '../../runtime/errors.ts'
import { fitsAll, matcherOf } from './pattern.ts'
import { timeMatcher } from './time-rule.ts'
import type { CallFacts, Route, RouteAction, RouteMatch, TimeRule } from './types.ts'

/** What actions may name. What is left out is not checked. */
export interface KnownNames {
  readonly agents?: readonly string[]
  readonly trunks?: readonly string[]
}

export interface NamedRoute {
  readonly name: string
  readonly to: RouteAction
}

/** Routes in order: the first that fits has the call. */
export interface RouteTable {
  readonly routes: readonly NamedRoute[]
  /** `wallTimeMs` since the Unix epoch. */
  find(facts: CallFacts, wallTimeMs: number): NamedRoute | undefined
}

type Test = (facts: CallFacts, wallTimeMs: number) => boolean

/** @throws OptionError naming the field, `routes[3].match.time.zone` */
export function compileRoutes(
  routes: readonly Route[],
  known: KnownNames = {},
  field = 'routes',
): RouteTable {
  const names = new Set<string>()
  let catchAll: string | undefined
  const compiled = routes.map(({ name = '', match = {}, to }, index) => {
    const at = `${field}[${index}]`
    if (catchAll !== undefined)
      throw new OptionError(
        at,
        `no call gets here, as ${catchAll} takes them all; move it up, or take it out`,
      )
    const title = name === '' ? `route ${index + 1}` : name
    if (names.has(title))
      throw new OptionError(`${at}.name`, `another route is called ${title}; give it another name`)
    names.add(title)
    const tests = testsOf(match, `${at}.match`, known)
    checkAction(to, `${at}.to`, known)
    if (takesAll(match)) catchAll = title
    return { name: title, to, tests }
  })
  return {
    routes: compiled,
    find: (facts, wallTimeMs) => compiled.find(({ tests }) => tests.every(test => test(facts, wallTimeMs))),
  }
}

/** `support@staging` in the environment of the call: exactly that, or `support` for every environment. */
export function agentKey(name: string, environment: string, agents: readonly string[]): string | undefined {
  if (name.includes('@')) return agents.includes(name) ? name : undefined
  const own = `${name}@${environment}`
  return agents.includes(own) ? own : agents.includes(name) ? name : undefined
}

function testsOf(match: RouteMatch, field: string, known: KnownNames): readonly Test[] {
  const tests: Test[] = []
  const { dialled, caller, uri, trunk, headers = {}, time, environment } = match
  if (dialled !== undefined) {
    const fits = matcherOf(dialled, `${field}.dialled`)
    tests.push(facts => fits(facts.dialled))
  }
  if (caller !== undefined) {
    const fits = matcherOf(caller, `${field}.caller`)
    tests.push(facts => fits(facts.caller))
  }
  if (uri !== undefined) {
    const fits = matcherOf(uri, `${field}.uri`)
    tests.push(facts => fits(facts.uri))
  }
  if (trunk !== undefined) {
    const names = namesOf(trunk)
    checkTrunks(names, `${field}.trunk`, known)
    tests.push(facts => facts.trunk !== undefined && names.includes(facts.trunk))
  }
  for (const [name, pattern] of Object.entries(headers)) {
    const fits = matcherOf(pattern, `${field}.headers.${name}`)
    tests.push(facts => facts.header(name).some(value => fits(value)))
  }
  if (environment !== undefined) {
    const names = namesOf(environment)
    tests.push(facts => names.includes(facts.environment))
  }
  if (time !== undefined) {
    const rules = Array.isArray(time) ? (time as readonly TimeRule[]) : [time as TimeRule]
    if (rules.length === 0)
      throw new OptionError(`${field}.time`, 'the list is empty, so it never holds; leave the field out')
    const holds = rules.map((rule, index) =>
      timeMatcher(rule, rules.length > 1 ? `${field}.time[${index}]` : `${field}.time`),
    )
    tests.push((_facts, wallTimeMs) => holds.some(hold => hold(wallTimeMs)))
  }
  return tests
}

function takesAll({ dialled, caller, uri, trunk, headers = {}, time, environment }: RouteMatch): boolean {
  const texts = [dialled, caller, uri].every(pattern => pattern === undefined || fitsAll(pattern))
  const others = [trunk, time, environment].every(given => given === undefined)
  return texts && others && Object.keys(headers).length === 0
}

/** Fall-backs within fall-backs; more is a circle made by hand. */
const MAX_DEPTH = 8

function checkAction(action: RouteAction, field: string, known: KnownNames, depth = 0): void {
  if (depth > MAX_DEPTH) throw new OptionError(field, `more than ${MAX_DEPTH} fall-backs within one another`)
  const kinds = ['agent', 'reject', 'redirect', 'number', 'queue'].filter(kind => kind in action)
  if (kinds.length !== 1)
    throw new OptionError(
      field,
      `give one of agent, reject, redirect, number, queue; there are ${kinds.length}`,
    )
  if ('agent' in action) {
    if (known.agents !== undefined && !isKnownAgent(action.agent, known.agents))
      throw new OptionError(
        `${field}.agent`,
        `there is no agent ${action.agent}; there are: ${list(known.agents)}`,
      )
  } else if ('reject' in action) {
    const { statusCode, retryAfterSeconds } = action.reject
    if (!Number.isInteger(statusCode) || statusCode < 400 || statusCode > 699)
      throw new OptionError(`${field}.reject.statusCode`, `${statusCode} refuses no call; give 400 to 699`)
    if (retryAfterSeconds !== undefined && (!Number.isInteger(retryAfterSeconds) || retryAfterSeconds < 0))
      throw new OptionError(`${field}.reject.retryAfterSeconds`, 'give whole seconds')
  } else if ('redirect' in action) {
    const targets = namesOf(action.redirect)
    if (targets.length === 0 || !targets.every(target => /^(?:sips?|tel):\S+$/i.test(target)))
      throw new OptionError(`${field}.redirect`, 'give URIs: sip:…, sips:… or tel:…')
  } else if ('number' in action) {
    const isUri = /^sips?:\S+$/i.test(action.number)
    if (!isUri && !/^\+?[\w*#.()\- ]+$/.test(action.number))
      throw new OptionError(`${field}.number`, 'give a number with + and country code, or a SIP URI')
    if (action.trunk !== undefined) checkTrunks(namesOf(action.trunk), `${field}.trunk`, known)
    else if (!isUri) throw new OptionError(`${field}.trunk`, 'a number is called by a trunk: name one')
    positive(action.ringTimeoutMs, `${field}.ringTimeoutMs`)
  } else {
    const { to, overflow, maxActive, maxWaiting, maxWaitMs } = action.queue
    positive(maxActive, `${field}.queue.maxActive`)
    positive(maxWaitMs, `${field}.queue.maxWaitMs`)
    if (maxWaiting !== undefined && !(maxWaiting >= 0))
      throw new OptionError(`${field}.queue.maxWaiting`, 'give 0 or more')
    checkAction(to, `${field}.queue.to`, known, depth + 1)
    if (!('agent' in to) && !('number' in to))
      throw new OptionError(`${field}.queue.to`, 'one waits for an agent or a number')
    if (overflow !== undefined) checkAction(overflow, `${field}.queue.overflow`, known, depth + 1)
  }
  if ('fallback' in action && action.fallback !== undefined)
    checkAction(action.fallback, `${field}.fallback`, known, depth + 1)
}

function isKnownAgent(name: string, agents: readonly string[]): boolean {
  if (agents.includes(name)) return true
  // Which environment a call is in shows when it comes.
  return !name.includes('@') && agents.some(agent => agent.startsWith(`${name}@`))
}

function checkTrunks(names: readonly string[], field: string, { trunks }: KnownNames): void {
  if (names.length === 0) throw new OptionError(field, 'the list is empty; leave the field out')
  const unknown = trunks === undefined ? undefined : names.find(name => !trunks.includes(name))
  if (unknown !== undefined)
    throw new OptionError(field, `there is no trunk ${unknown}; there are: ${list(trunks ?? [])}`)
}

function positive(value: number | undefined, field: string): void {
  if (value !== undefined && !(value > 0)) throw new OptionError(field, 'give a number above 0')
}

function namesOf(given: string | readonly string[]): readonly string[] {
  return typeof given === 'string' ? [given] : given
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ')
}
