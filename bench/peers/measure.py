"""The workloads of bench:peers, the same for every peer: what is submitted, in what order, and what is timed."""

import json
import statistics
import sys
import time

# as in ours.ts, for everybody the same
WARM_UP_BAG = 2000
WARM_UP_SEQUENTIAL = 1000


def noop():
    return None


def size(data):
    return len(data)


def arguments():
    """The sizes of the workloads, given by main.ts as one JSON object."""
    return json.loads(sys.argv[1])


def bag(submit, gather, count):
    """Tasks per second of `count` no-ops submitted at once."""
    started = time.perf_counter()
    gather([submit(noop) for _ in range(count)])
    return count / (time.perf_counter() - started)


def latency(submit, gather, count):
    """Milliseconds of `count` no-ops, each submitted when the one before has ended."""
    times = []
    for _ in range(count):
        started = time.perf_counter()
        gather([submit(noop)])
        times.append((time.perf_counter() - started) * 1000)
    times.sort()
    return {"p50": statistics.median(times), "p99": times[int(len(times) * 0.99)]}


def payload(submit, gather, count, size_bytes):
    """Tasks per second of `count` calls with `size_bytes` of argument each, no two the same."""
    data = [i.to_bytes(4, "big") + b"x" * (size_bytes - 4) for i in range(count)]
    started = time.perf_counter()
    results = gather([submit(size, d) for d in data])
    seconds = time.perf_counter() - started
    assert all(r == size_bytes for r in results)
    return count / seconds


def run(submit, gather):
    """Runs all workloads and prints one JSON object."""
    sizes = arguments()
    gather([submit(noop) for _ in range(WARM_UP_BAG)])
    latency(submit, gather, WARM_UP_SEQUENTIAL)
    found = latency(submit, gather, sizes["sequential"])
    print(json.dumps({
        "tasks_per_s": bag(submit, gather, sizes["tasks"]),
        "p50_ms": found["p50"],
        "p99_ms": found["p99"],
        "payload100k_tasks_per_s": payload(submit, gather, sizes["payloads"], sizes["payloadBytes"]),
    }), flush=True)
