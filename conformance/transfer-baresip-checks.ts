/** Blind transfers with a real softphone on both sides of the REFER, and its tone at the one it was transferred to. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Call, Endpoint } from '../src/index.ts'
import { createEndpoint } from '../src/index.ts'
import { measureTone, readWav } from './audio.ts'
import type { Check } from './check.ts'
import { Baresip } from './peers/baresip.ts'
import { freePort } from './peers/ports.ts'

const toneHz = 1000

export function transferBaresipChecks(logs: string): readonly Check[] {
  return [
    {
      name: 'baresip-is-transferred',
      rfc: 'RFC 3515 2.4.4',
      what: 'a softphone that is transferred is heard at the target',
      how: 'baresip is called and transferred, UDP',
      run: () => isTransferred(join(logs, 'baresip-is-transferred')),
    },
    {
      name: 'baresip-transfers',
      rfc: 'RFC 3515 2.4.4',
      what: 'a softphone transfers us, and what we say is heard at the target',
      how: 'baresip calls and transfers, UDP',
      run: () => transfers(join(logs, 'baresip-transfers')),
    },
  ]
}

/** A desk that records whoever calls; the file is there when the call is over. */
async function openDesk(folder: string): Promise<{ desk: Endpoint; uri: string; heard: () => number }> {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'desk.wav')
  const desk = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  void desk.serve(async call => {
    await call.answer()
    await call.record(file)
    await call.sleep(3000)
  })
  return {
    desk,
    uri: `sip:desk@${desk.listening[0]?.slice('udp://'.length) ?? ''}`,
    heard: () => measureTone(readWav(file), 0, toneHz).purity,
  }
}

function expectTone(purity: number): void {
  if (purity < 0.8) throw new Error(`Only ${(purity * 100).toFixed(0)} % of what the desk heard is the tone`)
}

async function isTransferred(folder: string): Promise<void> {
  const { desk, uri, heard } = await openDesk(folder)
  const endpoint = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  const baresip = await Baresip.start({ folder, toneHz, codec: 'PCMU', timeoutMs: 20_000 })
  try {
    const call = await endpoint.call(baresip.uri)
    await call.sleep(500)
    const result = await call.transfer(uri)
    if (result.outcome !== 'transferred') throw new Error(`${result.outcome}: ${result.reason}`)
    for (const other of desk.calls) await other.ended
    expectTone(heard())
  } finally {
    await baresip.stop()
    await endpoint.close()
    await desk.close()
  }
}

async function transfers(folder: string): Promise<void> {
  const { desk, uri, heard } = await openDesk(folder)
  const endpoint = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  const moved = new Promise<Call>((resolve, reject) => {
    void endpoint.serve(async call => {
      call.on('transfer', request => void request.accept().then(resolve, reject))
      await call.answer()
      await call.ended
    })
  })
  const controlPort = await freePort()
  const baresip = await Baresip.start({
    folder,
    toneHz,
    codec: 'PCMU',
    dial: `sip:agent@${endpoint.listening[0]?.slice('udp://'.length) ?? ''}`,
    controlPort,
    timeoutMs: 20_000,
  })
  try {
    await baresip.says('Call established')
    await baresip.command('transfer', uri)
    const next = await within(8000, moved)
    await next.media.output.write(sine(2500))
    await next.ended
    expectTone(heard())
  } finally {
    await baresip.stop()
    await endpoint.close()
    await desk.close()
  }
}

function sine(ms: number): Int16Array {
  return Int16Array.from({ length: ms * 8 }, (_, at) =>
    Math.round(8000 * Math.sin((2 * Math.PI * toneHz * at) / 8000)),
  )
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came of it in ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
