"""An agent on bare python-socketio: it repeats what is said in its rooms, and has a tool. In any folder, with Python 3.9 or newer:

python3 -m venv .venv && .venv/bin/pip install python-socketio aiohttp
PARLEY_KEY=pk_agent_live_… .venv/bin/python echo_agent.py
"""

import asyncio
import os
import sys

import socketio

URL = os.environ.get("PARLEY_URL", "http://127.0.0.1:6767")
KEY = os.environ.get("PARLEY_KEY") or sys.exit("PARLEY_KEY is not set. Give it the api_key that POST /agents answered.")
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
SHOUT = {"name": "shout", "description": "Says it louder.", "input_schema": TEXT}

hub = socketio.AsyncClient()
me = {}
calls = {}  # by call_id: the task that works on it


async def ask(frame, payload):
    try:
        answer = await hub.call(frame, payload, namespace="/rooms")
    except socketio.exceptions.SocketIOError:
        return {"ok": False}  # the connection is gone; when it is back, all of this is asked again
    if not answer["ok"]:
        print(frame, answer["error"]["code"], answer["error"]["fix"], file=sys.stderr)
    return answer


async def on_connect():
    hub.start_background_task(take_up)


async def take_up():
    """The first hello and, after a lost connection, every later one."""
    welcome = await ask("agent.hello", {"protocol": 1, "agent": {"name": "echo-python", "version": "1.0.0"}})
    if not welcome["ok"]:
        return
    me.update(welcome["principal"])
    await ask("agent.tools.register", {"tools": [SHOUT]})
    for contract in welcome["contracts"]:
        await on_contract(contract)
    connection = hub.get_sid("/rooms")
    while hub.connected and hub.get_sid("/rooms") == connection:
        # With what it works on: the hub tells, by a cancel, what is over, also when that came while the connection was lost.
        await ask("agent.heartbeat", {"calls": list(calls)[:200]})
        await asyncio.sleep(welcome["heartbeat_ms"] / 1000)


async def on_contract(contract):
    # From the beginning each time: a key makes that what was answered once is not answered again.
    await ask("room.join", {"contract_id": contract["contract_id"], "since": 0})


async def on_events(batch):
    for event in batch["events"]:
        if event["type"] == "message.posted" and event["by"]["id"] != me.get("id"):
            hub.start_background_task(answer, batch["contract_id"], event)


async def answer(contract_id, event):
    said, key = event["data"], f"echo:{event['seq']}"
    await ask("message.post", {"contract_id": contract_id, "key": key, "body": f"You said: {said['body']}", "visibility": said["visibility"]})


async def on_call(call):
    if call["call_id"] not in calls:
        calls[call["call_id"]] = hub.start_background_task(work, call)


async def on_cancel(cancel):
    if cancel["call_id"] in calls:
        calls[cancel["call_id"]].cancel()  # the hub writes down how the call ended


async def work(call):
    try:
        output = call["input"]["text"].upper()
        await ask("agent.tool.result", {"call_id": call["call_id"], "status": "succeeded", "output": output})
    finally:
        del calls[call["call_id"]]


async def main():
    handlers = {"connect": on_connect, "contract.opened": on_contract, "events": on_events}
    handlers |= {"core.tool.call": on_call, "core.tool.cancel": on_cancel}
    for name, handler in handlers.items():
        hub.on(name, handler, namespace="/rooms")
    try:
        await hub.connect(URL, auth={"key": KEY}, namespaces=["/rooms"], transports=["websocket"])
    except socketio.exceptions.ConnectionError as error:
        sys.exit(f"{URL} lets it not in: {error}. Is the hub there, and PARLEY_KEY an active key?")
    await hub.wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
