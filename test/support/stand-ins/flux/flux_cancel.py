"""flux cancel of a stand-in for Flux: decimal ids."""
from core import jobs
from flux.common import down  # noqa: F401


def main(call):
    known = {job["id"]: job for job in call.jobs()}
    err, ending = "", set()
    for name in call.argv:
        job = known.get(name)
        if job is None:
            err += "flux-cancel: ERROR: %s: unknown job id\n" % name
        elif job["state"] == "done":
            err += "flux-cancel: ERROR: %s: job is inactive\n" % name
        else:
            ending.add(job["n"])
    if ending and not call.ignored():
        jobs.cancel(call.state, ending)
    call.answer("", err, 1 if err else 0)
