"""qstat of a stand-in for PBS."""
from pbs import common, render


def down(name):
    """Asked for JSON, it prints a whole object and fails."""
    import sys

    out, err, code = common.down(name)
    if "json" in sys.argv:
        out = '{\n    "timestamp":1795411993,\n    "pbs_version":"23.06.06",\n    "pbs_server":"pbs-head-node-01"\n}'
    return out, err, code


def main(call):
    if "--version" in call.argv:
        call.answer("pbs_version = 23.06.06\n")
    flags, form, names, words = set(), None, [], iter(call.argv)
    for word in words:
        if word == "-F":
            form = next(words, None)
        elif word in ("-u", "-s"):
            next(words, None)
        elif word.startswith("-"):
            flags.update(word[1:])
        else:
            names.append(word)
    jobs, err, code = select(call, names, "x" in flags)
    if form == "json":
        call.answer(render.json_text(call, jobs).rstrip("\n" if code else ""), err, code)
    shape = render.full if "f" in flags else render.table
    call.answer(shape(call, jobs), err, code)


def select(call, names, ended):
    known = call.jobs()
    if ended and not common.history(call):
        words = [" " + common.whole_id(call, name) for name in names] or [""]
        return [], "".join("qstat: PBS is not configured to maintain job history%s\n" % word for word in words), 0
    if not names:
        return [job for job in known if ended or job["state"] != "done"], "", 0
    found, err, code = [], "", 0
    for name in names:
        job = common.find(call, known, name)
        if job is False:
            err, code = err + "qstat: Unknown queue %s\n" % name, 170
        elif job is None or (job["state"] == "done" and not common.history(call)):
            err, code = err + "qstat: Unknown Job Id %s\n" % common.whole_id(call, name), common.UNKNOWN_JOB
        elif job["state"] == "done" and not ended:
            words = "qstat: %s Job has finished, use -x or -H to obtain historical job information\n"
            err, code = err + words % job["id"], common.FINISHED
        else:
            found.append(job)
    return found, err, code
