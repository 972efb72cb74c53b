"""canceljob of a stand-in for Moab."""
from core import jobs
from torque.msub import down, find, moab_id  # noqa: F401


def main(call):
    out, err, code = "", "", 0
    for name in call.argv:
        job = find(call, name)
        if job is None or job["state"] == "done":
            err, code = err + "ERROR:  invalid job specified (%s)\n\n" % name, 1
            continue
        if not call.ignored():
            jobs.cancel(call.state, {job["n"]})
        out += "\njob '%s' cancelled\n\n" % moab_id(call, job)
    call.answer(out, err, code)
