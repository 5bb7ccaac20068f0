import type { Endpoint } from '../call/endpoint.ts'
import type { Registration } from '../call/registration.ts'
import { OptionError } from '../runtime/errors.ts'
import { planRegistration } from '../sip/registration/client-options.ts'
import type { RegistrationOptions } from '../sip/registration/client-options.ts'
import type { readArgs } from './args.ts'
import type { Reporter } from './reporter.ts'

export const registerHelp = `  --register AOR     register this address first: sip:alice@pbx.example, with ;transport=tcp for TCP
  --registrar URI    where to register, when it is not the address's domain
  --user U           user name for the challenge (default: the user of the address)
  --password P       its password; better in the environment as OFFHOOK_PASSWORD, for ps shows arguments
  --expires SECONDS  how long a registration is to hold (default 600)`

export const registerConfig: {
  register: { type: 'string' }
  registrar: { type: 'string' }
  user: { type: 'string' }
  password: { type: 'string' }
  expires: { type: 'string' }
} = {
  register: { type: 'string' },
  registrar: { type: 'string' },
  user: { type: 'string' },
  password: { type: 'string' },
  expires: { type: 'string' },
}

/** What to register, checked before anything is opened; undefined without `--register`. @throws OptionError */
export function registerOptions(args: ReturnType<typeof readArgs>): RegistrationOptions | undefined {
  const aor = args.text('register')
  if (aor === undefined) {
    for (const name of ['registrar', 'user', 'password', 'expires']) {
      if (args.text(name) !== undefined)
        throw new OptionError(`--${name}`, 'it belongs to --register; give that too')
    }
    return undefined
  }
  const registrar = args.text('registrar')
  const expiresSeconds = args.number('expires')
  const password = args.text('password') ?? process.env['OFFHOOK_PASSWORD']
  const options: RegistrationOptions = {
    aor,
    ...(registrar === undefined ? {} : { registrar }),
    ...(expiresSeconds === undefined ? {} : { expiresSeconds }),
  }
  const { uri } = planRegistration(options).aor
  const username = args.text('user') ?? (uri.kind === 'sip' ? (uri.user ?? '') : '')
  return password === undefined ? options : { ...options, credentials: { username, password } }
}

/** Registers and tells what becomes of it. */
export function register(endpoint: Endpoint, options: RegistrationOptions, reporter: Reporter): Registration {
  const registration = endpoint.register(options)
  const { aor } = registration
  registration.on('registered', () => {
    const { expiresSeconds, contact } = registration
    reporter.say(
      { event: 'registered', aor, contact, expiresSeconds },
      `${aor} is registered as ${contact ?? ''} for ${expiresSeconds ?? 0} s`,
    )
  })
  registration.on('failed', ({ message }, retryInMs) => {
    const next =
      retryInMs === undefined ? 'it is not tried again' : `tried again in ${(retryInMs / 1000).toFixed(1)} s`
    reporter.say(
      { event: 'registration-failed', aor, message, retryInMs },
      `${aor} is not registered: ${message}; ${next}`,
    )
  })
  registration.on('unregistered', () =>
    reporter.say({ event: 'unregistered', aor }, `${aor} is not registered any more`),
  )
  return registration
}
