"""checkjob of a stand-in for Moab."""
import time

from torque import common
from torque.msub import down, find, moab_id, state_of  # noqa: F401


def main(call):
    names = [word for word in call.argv if not word.startswith("-")]
    job = find(call, names[0]) if names else None
    if job is None:
        call.answer("", "ERROR:  invalid job specified: %s\n" % (names[0] if names else ""), 1)
    stamp = lambda ms: time.strftime("%a %b %d %H:%M:%S", time.localtime(ms // 1000))  # noqa: E731
    state = state_of(job)
    if job["state"] == "done":
        state += " Completion Code: %s  Time: %s" % (common.exit_status(job), stamp(job["ended"]))
    span = ((job.get("ended") or int(time.time() * 1000)) - job["started"]) // 1000 if job.get("started") else 0
    lines = [
        "job %s" % moab_id(call, job), "", "AName: %s" % job["name"], "State: %s" % state,
        "Creds:  user:%s  group:%s  class:%s  qos:DEFAULT" % (call.settings["user"], call.settings["user"], job["queue"]),
        "WallTime:   %s of %s" % (common.clock(span), common.clock(job["walltimeMs"] // 1000)),
        "SubmitTime: %s" % stamp(job["queued"]), "", "TemplateSets:  DEFAULT",
        "Total Requested Tasks: %d" % (job["nodes"] * job["tasksPerNode"]), "",
        "Req[0]  TaskCount: %d  Partition: torque" % (job["nodes"] * job["tasksPerNode"]), "",
        "SystemID:   Moab", "SystemJID:  %s" % moab_id(call, job), "", "StartCount:     %d" % job["starts"],
        "Execution Partition:  torque", "StartPriority:  100000",
    ]  # fmt: skip
    if job["state"] == "queued":
        lines.append("NOTE:  job cannot run in partition torque (%s)" % call.state.control().get("pendingComment", "insufficient idle nodes"))
    call.answer("\n".join(lines) + "\n")
