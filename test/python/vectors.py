"""What Python makes of the sample data of shared/vectors, as lines of JSON. It does not look at the verdicts: the test does."""

import json
import struct
import sys
from pathlib import Path

from sealed import canonical, chain_after, chain_start, digest_of, parse


def attempt(make, value):
    try:
        return make(value)
    except ValueError:
        return None


def say(**line):
    print(json.dumps(line), flush=True)


def main(folder):
    data = json.loads((folder / "canonical-json.json").read_text("utf-8"))
    for case in data["cases"] + data["refused"]:
        say(of="canonical", name=case["name"], got=attempt(lambda text: canonical(parse(text)), case["input"]))
    for case in data["numbers"]:
        (double,) = struct.unpack(">d", bytes.fromhex(case["ieee754"]))
        say(of="number", name=case["ieee754"], got=attempt(canonical, double))

    data = json.loads((folder / "chain.json").read_text("utf-8"))
    chain = chain_start(data["contract_id"])
    say(of="chain0", name=data["contract_id"], got=chain)
    for entry in data["events"]:
        event = entry["event"]
        kept = {name: value for name, value in event.items() if name not in ("chain", "digest")}
        digest = digest_of(event)
        stub = {"seq": event["seq"], "type": "redacted", "digest": digest}
        redacted = chain_after(chain, digest_of(stub))
        chain = chain_after(chain, digest)
        say(of="event", name=event["seq"], got={"canonical": canonical(kept), "digest": digest, "chain": chain, "redacted": redacted})


main(Path(sys.argv[1]))
