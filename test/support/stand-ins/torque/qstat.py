"""qstat of a stand-in for Torque."""
from torque import common, render
from torque.common import down  # noqa: F401


def main(call):
    if "--version" in call.argv:
        call.answer(common.VERSION)
    flags, user, names = set(), None, []
    words = iter(call.argv)
    for word in words:
        if word == "-u":
            user = next(words, None)
        elif word.startswith("-"):
            flags.update(word[1:])
        else:
            names.append(word)
    jobs, err, code = call.jobs(), "", 0
    if names:
        jobs, err, code = pick(call, jobs, names)
    if user is not None:
        jobs = [job for job in jobs if job.get("owner", call.settings["user"]) == user]
    if "r" in flags:
        jobs = [job for job in jobs if common.letter(job) == "R"]
    if code != 0 and not jobs:
        call.answer("", err, code)
    if "x" in flags:
        call.answer(render.xml(call, jobs), err, code)
    if "f" in flags:
        call.answer(render.full(call, jobs, "1" in flags), err, code)
    shape = render.wide_table if user is not None or flags & set("anr") else render.table
    call.answer(shape(call, jobs), err, code)


def pick(call, jobs, names):
    found, err, code = [], "", 0
    for name in names:
        job = common.find(call, jobs, name)
        if job:
            found.append(job)
        elif common.split_id(name) is None:
            err += "qstat: Unknown queue destination %s\n" % name
            code = 172
        else:
            err += "qstat: Unknown Job Id Error %s\n" % name
            code = common.UNKNOWN_JOB
    return found, err, code
