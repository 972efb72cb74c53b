"""bkill of a stand-in for LSF."""
from core import jobs
from lsf.common import NOT_FOUND, down  # noqa: F401


def main(call):
    signal, names, words = None, [], iter(call.argv)
    for word in words:
        if word == "-s":
            signal = next(words, None)
        else:
            names.append(word)
    known = {job["id"]: job for job in call.jobs()}
    out, err, code, ending = "", "", 0, set()
    for name in names:
        job = known.get(name)
        if job is None:
            err, code = err + "Job <%s>: No matching job found\n" % name, NOT_FOUND
        elif job["state"] == "done":
            err, code = err + "Job <%s>: Job has already finished\n" % name, NOT_FOUND
        else:
            out += "Job <%s> is being %s\n" % (name, "signaled" if signal else "terminated")
            ending.add(job["n"])
    if ending and not call.ignored():
        jobs.cancel(call.state, ending, force=signal == "KILL")
    call.answer(out, err, code)
