"""aprun of a stand-in for Cray's ALPS, after documents: the only way from the MOM node, where a script runs, to the job's nodes."""
import os
import signal
import sys
import time

from core import sessions
from torque import alps
from torque.alps import Refusal
from torque.pmi import Pmi

FORWARDED = ("HUP", "INT", "QUIT", "TERM", "ABRT", "USR1", "USR2", "URG", "WINCH")


def main(call):
    try:
        options, command = alps.parse(call.argv)
        if options.get("version"):
            call.answer("aprun (ALPS stand-in) 5.2.4\n")
        job = alps.reservation(call)
        hosts = alps.claim(call, job, options)
    except Refusal as refusal:
        call.answer("", refusal.args[0], 1)
    code = run(call, options, command, hosts)
    call.answer("", "", code)


def run(call, options, command, hosts):
    apid = 1_000_000 + os.getpid()
    program = alps.deliver(call, options, command[0], apid)
    tell = guard()
    running, codes, signals = {}, set(), set()
    pass_on = lambda number, _: [kill(pid, number) for pid in running]  # noqa: E731
    for name in FORWARDED:
        signal.signal(getattr(signal, "SIG" + name), pass_on)
    # For real MPI programs; Cray's own talk to ALPS instead.
    pmi = Pmi(options) if call.settings.get("pmi") else None
    for rank in range(options["n"]):
        pid = os.fork()
        if pid == 0:
            own = pmi.environment(rank) if pmi else {}
            start(options, program, command, {"apid": apid, "rank": rank, "host": hosts[rank // options["N"]], "env": own})
        running[pid] = rank
        os.write(tell, b"%d\n" % pid)
    if pmi:
        pmi.serve()
    while running:
        pid, status = os.wait()
        rank = running.pop(pid, None)
        if rank is None:
            continue
        if os.WIFSIGNALED(status):
            signals.add(os.WTERMSIG(status))
            mourn(apid, rank, os.WTERMSIG(status), bool(running))
            # One rank that dies takes the application with it.
            for other in running:
                kill(other, signal.SIGKILL)
        elif os.WEXITSTATUS(status) != 0:
            codes.add(os.WEXITSTATUS(status))
    alps.release(call)
    if "q" not in options:
        report(apid, codes, signals)
    return 128 + min(signals) if signals else max(codes, default=0)


def guard():
    """Whatever ends aprun itself ends the application too, with SIGKILL: on the nodes, where no batch system reaches."""
    heard, tell = os.pipe()
    if os.fork() != 0:
        os.close(heard)
        return tell
    os.setsid()
    os.close(tell)
    os.closerange(0, 3)
    text = b""
    while True:
        piece = os.read(heard, 4096)
        if not piece:
            break
        text += piece
    for pid in text.split():
        sessions.send(sessions.members(int(pid)), signal.SIGKILL)
    os._exit(0)


def start(options, program, command, place):
    """One process of the application. What marks a compute node comes from here and from nowhere else."""
    try:
        os.setsid()
        for name in FORWARDED:
            signal.signal(getattr(signal, "SIG" + name), signal.SIG_DFL)
        if place["rank"] > 0:
            os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        alps.bind(options, place["rank"] % options["N"])
        env = dict(os.environ, ALPS_APP_PE=str(place["rank"]), ALPS_APP_ID=str(place["apid"]))
        env.update(ALPS_APP_DEPTH=str(options["d"]), HOSTNAME=place["host"], STAND_IN_PLACE="compute", STAND_IN_HOST=place["host"])
        env.update(place["env"])
        env.update(options["e"])
        os.execvpe(program, [program] + command[1:], env)
    except OSError as error:
        sys.stderr.write("aprun: %s: %s\n" % (command[0], error.strerror))
        sys.stderr.flush()
    os._exit(127)


def mourn(apid, rank, number, others):
    now = time.strftime("%a %b %d %H:%M:%S %Y")
    name = signal.strsignal(number)
    sys.stderr.write("_pmiu_daemon(SIGCHLD): [NID %05d] [c0-0c0s0n0] [%s] PE RANK %d exit signal %s\n" % (rank, now, rank, name))
    if others:
        sys.stderr.write("[NID %05d] %s Apid %d: initiated application termination\n" % (rank, now, apid))
    sys.stderr.flush()


def report(apid, codes, signals):
    words = ""
    if codes:
        words += "Application %d exit codes: %s\n" % (apid, ", ".join(map(str, sorted(codes))))
    if signals:
        words += "Application %d exit signals: %s\n" % (apid, ", ".join(signal.strsignal(n) for n in sorted(signals)))
    words += "Application %d resources: utime ~0s, stime ~0s, Rss ~4848, inblocks ~0, outblocks ~0\n" % apid
    sys.stdout.write(words)
    sys.stdout.flush()


def kill(pid, number):
    try:
        os.kill(pid, number)
    except OSError:
        pass
