"""qsig of a stand-in for PBS."""
from core import jobs
from pbs.common import down  # noqa: F401
from pbs.qdel import act


def main(call):
    name = call.argv[call.argv.index("-s") + 1] if "-s" in call.argv else "TERM"
    signals = lambda job: {"signals": job.get("signals", []) + [name]}  # noqa: E731
    act(call, "qsig", lambda numbers, _: jobs.change(call.state, numbers, signals))
