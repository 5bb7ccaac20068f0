import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TlsOptions } from '../../../src/runtime/runtime.ts'
import { repositoryRoot } from '../../support/repository.ts'

/** One of the parties that `test/certificates/make.sh` made. */
export type PartyName = 'localhost' | 'sip-domain' | 'common-name' | 'client' | 'stranger'

const folder = join(repositoryRoot, 'test', 'certificates')

/** The authority of all parties but the stranger. */
export const authority: string = readFileSync(join(folder, 'authority.pem'), 'utf8')

/** The certificate and key of a party that trusts the authority. */
export function keysOf(party: PartyName, more: TlsOptions = {}): TlsOptions {
  return {
    cert: readFileSync(join(folder, `${party}.pem`), 'utf8'),
    key: readFileSync(join(folder, `${party}.key`), 'utf8'),
    ca: authority,
    ...more,
  }
}
