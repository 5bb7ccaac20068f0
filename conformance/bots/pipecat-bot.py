"""A bot on Pipecat as its authors have it: its transport, and its serializer of whatever platform calls, with nothing of ours.

  python pipecat-bot.py [URL-OF-TWILIO'S-API ACCOUNT-SID AUTH-TOKEN]

It says 700 Hz, 8 seconds of it; key 5 interrupts it, then it says 400 Hz; key 9 ends the pipeline, which hangs up as the platform has it.
Prints a line of JSON for each thing that happens.
"""

import asyncio
import json
import math
import struct
import sys

import uvicorn
from fastapi import FastAPI, WebSocket
from pipecat.frames.frames import (
    EndWorkerFrame,
    InputAudioRawFrame,
    InputDTMFFrame,
    OutputAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.plivo import PlivoFrameSerializer
from pipecat.serializers.telnyx import TelnyxFrameSerializer
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.serializers.vonage import VonageFrameSerializer
from pipecat.transports.websocket.fastapi import (
    FastAPIWebsocketParams,
    FastAPIWebsocketTransport,
)
from pipecat.workers.runner import WorkerRunner

RATE = 16000
CALLER_HZ = 1000

rest_url, account_sid, auth_token = (sys.argv[1:] + ["", "", ""])[:3]


def tell(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def tone(hz, seconds):
    """In frames of 20 ms, as text-to-speech services give them."""
    samples = [
        int(8000 * math.sin(2 * math.pi * hz * n / RATE))
        for n in range(int(RATE * seconds))
    ]
    for at in range(0, len(samples), RATE // 50):
        piece = samples[at : at + RATE // 50]
        yield OutputAudioRawFrame(
            audio=struct.pack(f"<{len(piece)}h", *piece),
            sample_rate=RATE,
            num_channels=1,
        )


def share_of(hz, audio):
    """The share of the energy that is at a frequency (Goertzel)."""
    samples = struct.unpack(f"<{len(audio) // 2}h", audio)
    energy = sum(sample * sample for sample in samples)
    if energy < 100 * 100 * len(samples):
        return 0
    coefficient = 2 * math.cos(2 * math.pi * hz / RATE)
    one = two = 0.0
    for sample in samples:
        one, two = sample + coefficient * one - two, one
    return (one * one + two * two - coefficient * one * two) * 2 / len(samples) / energy


class Desk(FrameProcessor):
    heard = False

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            if not self.heard and share_of(CALLER_HZ, frame.audio) > 0.9:
                self.heard = True
                tell("heard", hz=CALLER_HZ)
        elif isinstance(frame, InputDTMFFrame):
            tell("key", key=frame.button.value)
            if frame.button.value == "5":
                await self.broadcast_interruption()
                await self.say(400, 1.5)
            if frame.button.value == "9":
                await self.push_frame(EndWorkerFrame(), FrameDirection.UPSTREAM)
        else:
            await self.push_frame(frame, direction)

    async def say(self, hz, seconds):
        for frame in tone(hz, seconds):
            await self.push_frame(frame)


def serializer_for(platform, call):
    if platform == "twilio":
        return TwilioFrameSerializer(
            stream_sid=call.stream_id,
            call_sid=call.call_id,
            account_sid=account_sid or None,
            auth_token=auth_token or None,
            base_url=rest_url or None,
            params=TwilioFrameSerializer.InputParams(auto_hang_up=rest_url != ""),
        )
    if platform == "telnyx":
        return TelnyxFrameSerializer(
            stream_id=call.stream_id,
            outbound_encoding=call.outbound_encoding,
            inbound_encoding="PCMU",
            params=TelnyxFrameSerializer.InputParams(auto_hang_up=False),
        )
    if platform == "plivo":
        return PlivoFrameSerializer(
            stream_id=call.stream_id,
            params=PlivoFrameSerializer.InputParams(auto_hang_up=False),
        )
    raise ValueError(f"Pipecat does not know who calls: {platform}")


app = FastAPI()


@app.websocket("/")
async def carrier(websocket: WebSocket):
    await websocket.accept()
    platform, call = await parse_telephony_websocket(websocket)
    await talk(websocket, platform, serializer_for(platform, call))


@app.websocket("/vonage")
async def vonage(websocket: WebSocket):
    await websocket.accept()
    await talk(websocket, "vonage", VonageFrameSerializer())


async def talk(websocket, platform, serializer):
    tell("call", platform=platform)
    transport = FastAPIWebsocketTransport(
        websocket=websocket,
        params=FastAPIWebsocketParams(
            audio_in_enabled=True, audio_out_enabled=True, serializer=serializer
        ),
    )
    desk = Desk()
    worker = PipelineWorker(
        Pipeline([transport.input(), desk, transport.output()]),
        params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE),
        enable_rtvi=False,
    )

    @transport.event_handler("on_client_connected")
    async def connected(_transport, _client):
        await desk.say(700, 8)

    @transport.event_handler("on_client_disconnected")
    async def disconnected(_transport, _client):
        tell("gone")
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
    tell("ended")


async def main():
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning")
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.05)
    tell("listening", port=server.servers[0].sockets[0].getsockname()[1])
    await serving


asyncio.run(main())
