"""An agent on bare python-socketio. It works by itself; lines of JSON on stdin ask it for more, and what it saw and was answered goes
to stdout as lines of JSON. PARLEY_URL names the hub; PARLEY_KEY makes it an agent, PARLEY_TOKEN a human who only reads and asks.
It is for tests: `scripts/test test/python/python-agent.test.ts` runs it. An agent to begin with is examples/echo_agent.py."""

import asyncio
import json
import os
import sys
from pathlib import Path

import socketio

from sealed import chain_after, chain_start, digest_of

NAMESPACE = "/rooms"
PATIENCE_S = 12

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"], "additionalProperties": False}
TOOLS = [
    {"name": "shout", "description": "Says it louder", "input_schema": TEXT},
    {"name": "spell", "description": "Says it letter by letter, and leaves one out at first", "input_schema": TEXT},
    {"name": "hold", "description": "Says it, and goes on when asked or canceled", "input_schema": TEXT},
    {"name": "mute", "description": "Never answers", "input_schema": TEXT},
]


def say(**line):
    # One write per line, so that lines of several tasks never mix.
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Held:
    """A call that the agent has: it takes each one once."""

    def __init__(self):
        self.goes_on = asyncio.Event()
        self.canceled = False
        self.over = False


class Agent:
    def __init__(self, url, auth):
        self.url = url
        self.auth = auth
        self.session_id = None
        self.rooms = {}  # contract_id → {seq, epoch, chain}: the last event that was taken
        self.early = {}  # contract_id → batches that came between a join and its answer
        self.calls = {}  # call_id → Held
        self.sio = socketio.AsyncClient(reconnection_delay=0.1, reconnection_delay_max=0.5, randomization_factor=0.05)
        self.sio.on("connect", self.on_connect, namespace=NAMESPACE)
        self.sio.on("disconnect", self.on_disconnect, namespace=NAMESPACE)
        self.sio.on("connect_error", self.on_refused, namespace=NAMESPACE)
        self.sio.on("*", self.on_push, namespace=NAMESPACE)

    async def call(self, frame, payload):
        """Sends a frame as its one argument, and answers its acknowledgement as it came."""
        return await self.sio.call(frame, (payload,), namespace=NAMESPACE, timeout=PATIENCE_S)

    async def connect(self):
        await self.sio.connect(self.url, auth=self.auth, namespaces=[NAMESPACE], transports=["websocket"], wait_timeout=PATIENCE_S)

    # What the connection does

    async def on_connect(self):
        # Not here: this handler holds up the reading of the acknowledgements that it would wait for.
        self.sio.start_background_task(self.take_up)

    async def on_disconnect(self, *_):
        say(saw="gone")

    async def on_refused(self, error):
        say(saw="refused", payload=error)

    async def take_up(self):
        """The first hello and every later one: same session, same tools, same places in the rooms."""
        if "key" in self.auth:
            hello = {"protocol": 1, "agent": {"name": "python", "version": "1.0.0"}}
            if self.session_id is not None:
                hello["resume"] = self.session_id
            welcome = await self.call("agent.hello", hello)
            self.session_id = welcome["session_id"]
            await self.call("agent.tools.register", {"tools": TOOLS})
        for contract_id in self.rooms:
            await self.join(contract_id)
        under_way = [call_id for call_id, held in self.calls.items() if not held.over]
        if under_way:  # what ended meanwhile is told before the answer
            await self.call("agent.heartbeat", {"calls": under_way[:200]})
        say(saw="ready", payload={"session_id": self.session_id})

    # Rooms

    async def join(self, contract_id):
        place = self.rooms.get(contract_id)
        given = {} if place is None else {"since": place["seq"], "epoch": place["epoch"], "chain": place["chain"]}
        answer = await self.call("room.join", {"contract_id": contract_id, **given})
        if answer["ok"] and place is None:
            self.rooms[contract_id] = {"seq": answer["head"], "epoch": answer["epoch"], "chain": answer["chain"]}
            for batch in self.early.pop(contract_id, []):
                self.take(batch)
        return answer

    def take(self, batch):
        contract_id = batch["contract_id"]
        if contract_id not in self.rooms:
            self.early.setdefault(contract_id, []).append(batch)
            return
        place = self.rooms[contract_id]
        for event in batch["events"]:
            if event["seq"] <= place["seq"]:
                say(saw="repeated", payload=event["seq"])
                continue
            chain = chain_after(place["chain"], digest_of(event))
            holds = event["seq"] == place["seq"] + 1 and event["chain"] == chain
            place.update(seq=event["seq"], chain=chain)
            say(saw="event", payload=event, holds=holds)

    # Work

    async def on_push(self, kind, payload=None):
        if kind == "events":
            return self.take(payload)
        say(saw=kind, payload=payload)
        if kind == "core.tool.call" and payload["call_id"] not in self.calls:
            self.calls[payload["call_id"]] = Held()
            self.sio.start_background_task(self.work, payload)
        elif kind == "core.tool.cancel" and payload["call_id"] in self.calls:
            self.calls[payload["call_id"]].canceled = True
            self.calls[payload["call_id"]].goes_on.set()

    async def work(self, call):
        call_id, text = call["call_id"], call["input"]["text"]
        if call["tool"] == "mute":
            return
        result = {"status": "succeeded", "output": {"text": text.upper()}}
        if call["tool"] == "spell":
            await self.spell(call_id, text)
        if call["tool"] == "hold":
            await self.chunk(call_id, 1, text)
            await self.calls[call_id].goes_on.wait()
            if self.calls[call_id].canceled:
                result = {"status": "canceled"}
        self.calls[call_id].over = True
        say(saw="result", payload=await self.call("agent.tool.result", {"call_id": call_id, **result}), call_id=call_id)

    async def spell(self, call_id, text):
        await self.chunk(call_id, 1, text[0])
        seq = 3  # one is left out: the hub says where to go on
        while seq <= len(text):
            answer = await self.chunk(call_id, seq, text[seq - 1])
            seq = seq + 1 if answer["ok"] else answer["error"]["facts"]["next_seq"]

    async def chunk(self, call_id, seq, chunk):
        answer = await self.call("agent.tool.stream", {"call_id": call_id, "seq": seq, "chunk": chunk})
        say(saw="chunk.answer", payload=answer, seq=seq)
        return answer

    # What the test asks for

    async def do(self, command):
        what = command["do"]
        if what == "connect":
            return await self.connect()
        if what == "join":
            return await self.join(command["contract_id"])
        if what == "join from the beginning":
            contract_id = command["contract_id"]
            self.rooms[contract_id] = {"seq": 0, "epoch": command["epoch"], "chain": chain_start(contract_id)}
            return await self.join(contract_id)
        if what == "send":
            return await self.call(command["frame"], command["payload"])
        if what == "go on":
            return self.calls[command["call_id"]].goes_on.set()
        if what == "frames":
            cases = json.loads(Path(command["path"]).read_text("utf-8"))
            return [await self.call(case["frame"], case["payload"]) for case in cases]
        raise ValueError(what)

    async def obey(self, command):
        try:
            say(id=command["id"], answer=await self.do(command))
        except Exception as error:  # the test must hear of it, whatever it is
            say(id=command["id"], fault=f"{type(error).__name__}: {error}")


async def main():
    auth = {"key": os.environ["PARLEY_KEY"]} if "PARLEY_KEY" in os.environ else {"token": os.environ["PARLEY_TOKEN"]}
    agent = Agent(os.environ["PARLEY_URL"], auth)
    running = set()
    while True:
        line = await asyncio.to_thread(sys.stdin.readline)
        if line == "":  # the test has closed our stdin
            break
        task = asyncio.create_task(agent.obey(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)
    await agent.sio.shutdown()


asyncio.run(main())
