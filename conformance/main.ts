/**
 * Offhook against real peers: a table of RFC section, scenario, peer and verdict.
 *
 *   npm run conformance [-- WORD ...]      only checks with one of these words in their line
 *
 * Peers that are not installed are named and left out; with CI=true that is a failure.
 */

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '../test/support/repository.ts'
import { type Check, formatResults, type Result, runChecks } from './check.ts'
import { type OffhookProcess, startAnswer, startStrangers, startVariedEndpoint } from './peers/offhook.ts'
import { freePort } from './peers/ports.ts'
import { admissionChecks } from './admission-checks.ts'
import { baresipChecks } from './baresip-checks.ts'
import { baresipBridgeChecks, sippBridgeChecks } from './bridge-checks.ts'
import { callControlChecks } from './call-control-checks.ts'
import { callFlowChecks, linphoneCallFlowChecks } from './call-flow-checks.ts'
import { carrierChecks } from './carrier-checks.ts'
import { codecChecks } from './codec-checks.ts'
import { baresipDtmfChecks, dtmfProgramChecks, sippDtmfChecks } from './dtmf-checks.ts'
import { codecPeerChecks } from './codec-peer-checks.ts'
import { livekitChecks, livekitPackages } from './livekit-checks.ts'
import { loadChecks } from './load-checks.ts'
import { engineFailureChecks } from './engine-failure-checks.ts'
import { eventsChecks } from './events-checks.ts'
import { failoverChecks } from './failover-checks.ts'
import { fuzzChecks } from './fuzz-checks.ts'
import { hasBaresip } from './peers/baresip.ts'
import { hasSipp } from './peers/sipp.ts'
import { openAiChecks } from './openai-checks.ts'
import { openAiEngineChecks } from './openai-engine-checks.ts'
import { pipecatChecks, pipecatPackages } from './pipecat-checks.ts'
import { proxyChecks } from './proxy-checks.ts'
import { kamailioFailoverChecks } from './kamailio-failover-checks.ts'
import { hasKamailio } from './peers/kamailio.ts'
import { baresipRegistrationChecks, kamailioRegistrationChecks } from './registration-checks.ts'
import { hasFfmpeg, recordingChecks } from './recording-checks.ts'
import { registrarScenarioChecks } from './registrar-scenarios.ts'
import { hasLinphone } from './peers/linphone.ts'
import { baresipPhoneChecks, linphoneChecks } from './softphone-checks.ts'
import { rtcpChecks } from './rtcp-checks.ts'
import { serveStreamsChecks } from './serve-streams-checks.ts'
import { serveTwilioRestChecks } from './serve-twilio-rest-checks.ts'
import { sippChecks } from './sipp-checks.ts'
import { serveChecks } from './serve-checks.ts'
import { serveFailureChecks } from './serve-failure-checks.ts'
import { serveRouteChecks } from './serve-route-checks.ts'
import { baresipSdkChecks, sippSdkChecks, twilioSdkPackages } from './sdk-checks.ts'
import { baresipSrtpChecks, ffmpegSrtpChecks, gstreamerSrtpChecks, hasGStreamerSrtp } from './srtp-checks.ts'
import { hasStunnel } from './peers/stunnel.ts'
import { streamServerChecks } from './stream-server-checks.ts'
import { tlsChecks } from './tls-checks.ts'
import { endpointsNeeded, tortureChecks } from './torture-checks.ts'
import { transferBaresipChecks } from './transfer-baresip-checks.ts'
import { transferChecks } from './transfer-checks.ts'

const logs = join(repositoryRoot, '.build', 'conformance')
const words = process.argv.slice(2)

rmSync(logs, { recursive: true, force: true })
mkdirSync(logs, { recursive: true })

const missing: string[] = []
/** With the machine to themselves: their figures depend on it. */
const alone: Check[] = []
const together: Check[] = []
/** Audio in real time, a little work each: beside one another, and away from what keeps the machine busy. */
const sideBySide: Check[] = []
const running: OffhookProcess[] = []

const strangers = await Promise.all(Array.from({ length: endpointsNeeded }, freePort))
running.push(await startStrangers(strangers))
together.push(...tortureChecks(index => strangers[index] ?? 0))

together.push(...fuzzChecks(logs))

if (hasSipp()) {
  const echo = await startAnswer(await freePort(), ['--agent', 'echo', '--trace', join(logs, 'answer')])
  const varied = await startVariedEndpoint(await freePort())
  running.push(echo.process, varied.process)
  const scenarios = join(repositoryRoot, 'conformance', 'sipp')
  together.push(...registrarScenarioChecks({ scenarios, logs }))
  together.push(...sippChecks({ scenarios, logs, echoPort: echo.port, variedPort: varied.port }))
  together.push(...proxyChecks({ scenarios, logs }))
  together.push(...admissionChecks({ scenarios, logs }))
  together.push(...failoverChecks({ scenarios, logs }))
  together.push(...callControlChecks({ scenarios, logs }))
  together.push(...sippDtmfChecks({ scenarios, logs }))
  together.push(...transferChecks({ scenarios, logs }))
  together.push(...eventsChecks({ scenarios, logs }))
  if (hasStunnel()) {
    const certificates = join(repositoryRoot, 'test', 'certificates')
    together.push(...tlsChecks({ scenarios, certificates, logs }))
  } else missing.push('stunnel, which puts TLS before SIPp: apt-get install stunnel4')
  alone.push(...loadChecks(logs))
} else {
  missing.push('SIPp, and with it every scenario in conformance/sipp: apt-get install sip-tester')
}
if (hasBaresip()) {
  alone.push(...rtcpChecks(logs))
  sideBySide.push(
    ...baresipChecks(logs),
    ...transferBaresipChecks(logs),
    ...baresipRegistrationChecks(logs),
    ...baresipPhoneChecks(logs),
    ...codecChecks(logs),
  )
} else missing.push('baresip, a softphone that calls and is called: apt-get install baresip-core')

if (hasLinphone()) sideBySide.push(...linphoneChecks(logs))
else missing.push('Linphone, a softphone with transfers: apt-get install linphone-cli')

if (hasKamailio()) together.push(...kamailioRegistrationChecks(logs), ...kamailioFailoverChecks(logs))
else missing.push('Kamailio, registrar and proxy: apt-get install kamailio kamailio-tls-modules')

if (hasFfmpeg()) together.push(...recordingChecks(logs))
else missing.push('ffmpeg, which reads our recordings: apt-get install ffmpeg')

if (hasBaresip()) sideBySide.push(...baresipSrtpChecks(logs), ...baresipBridgeChecks(logs))
if (hasSipp()) sideBySide.push(...sippBridgeChecks(logs))
sideBySide.push(...dtmfProgramChecks(logs))
sideBySide.push(...carrierChecks(), ...streamServerChecks())
sideBySide.push(
  ...openAiChecks(),
  ...openAiEngineChecks({ scenarios: join(repositoryRoot, 'conformance', 'sipp'), logs }),
)
if (hasBaresip()) sideBySide.push(...baresipDtmfChecks(logs), ...engineFailureChecks(logs))
if (hasBaresip() && hasSipp()) sideBySide.push(...callFlowChecks(logs))
if (hasBaresip() && hasSipp())
  sideBySide.push(
    ...serveChecks(logs),
    ...serveFailureChecks(logs),
    ...serveRouteChecks(logs),
    ...serveTwilioRestChecks(logs),
    ...serveStreamsChecks(logs),
  )
if (hasLinphone()) sideBySide.push(...linphoneCallFlowChecks(logs))
if (hasFfmpeg()) sideBySide.push(...ffmpegSrtpChecks(logs), ...codecPeerChecks(logs, 'ffmpeg'))
if (hasGStreamerSrtp()) sideBySide.push(...gstreamerSrtpChecks(logs), ...codecPeerChecks(logs, 'GStreamer'))
else
  missing.push(
    'GStreamer with SRTP: apt-get install gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad',
  )

const twilio = twilioSdkPackages()
const livekit = livekitPackages()
const pipecat = pipecatPackages()
if (hasSipp()) sideBySide.push(...sippSdkChecks(logs, twilio))
if (hasBaresip())
  sideBySide.push(
    ...baresipSdkChecks(logs, twilio),
    ...livekitChecks(logs, livekit),
    ...pipecatChecks(logs, pipecat),
  )
for (const packages of [twilio, livekit, pipecat]) if ('missing' in packages) missing.push(packages.missing)

const results = [
  ...(await runChecks(alone.filter(isChosen), { atOnce: 1, logs, tell })),
  ...(await runChecks(sideBySide.filter(isChosen), { atOnce: 5, logs, tell })),
  // Most of the time they wait for each other's timers.
  ...(await runChecks(together.filter(isChosen), { atOnce: 8, logs, tell })),
]
for (const child of running) {
  await child.stop()
  // A stack that fell over explains every failure after it.
  if (child.errors !== '') console.error(`An answering process said:\n${child.errors}`)
}

console.log(`\n${formatResults(results)}\n`)
for (const what of missing) console.log(`Left out, not installed: ${what}`)
const failed = results.filter(({ error }) => error !== undefined).length
if (failed > 0) console.log(`Logs are in ${logs}`)
const missed = process.env['CI'] === 'true' ? missing.length : 0
const again = results.filter(({ error, beside }) => error === undefined && beside !== undefined)
if (again.length > 0)
  console.log(`Passed only with the machine to itself: ${again.map(({ check }) => check.name).join(', ')}`)
console.log(`${results.length - failed} passed, ${failed + missed} failed`)
process.exitCode = failed + missed > 0 ? 1 : 0

function isChosen({ name, rfc, what, how }: Check): boolean {
  return words.length === 0 || words.some(word => `${name} ${rfc} ${what} ${how}`.includes(word))
}

function tell({ check, error }: Result): void {
  if (error !== undefined) console.error(`FAIL ${check.name}: ${error.message}`)
}
