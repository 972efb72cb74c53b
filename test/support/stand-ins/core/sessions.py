"""Starts a job's script in a session of its own, and signals sessions as batch systems do."""
import os
import signal


def start(job, env, out, err):
    """The top process of a new session; its pid is the session's id. `out` and `err` are paths, which may be the same."""
    pid = os.fork()
    if pid != 0:
        return pid
    try:
        os.setsid()
        os.umask(job.get("umask", 0o077))
        for number in range(1, signal.NSIG):
            try:
                signal.signal(number, signal.SIG_DFL)
            except (OSError, ValueError):
                pass
        signal.set_wakeup_fd(-1)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        stdin = os.open("/dev/null", os.O_RDONLY)
        stdout = os.open(out, flags, 0o600)
        stderr = stdout if err == out else os.open(err, flags, 0o600)
        for source, target in ((stdin, 0), (stdout, 1), (stderr, 2)):
            os.dup2(source, target)
        os.closerange(3, 256)
        try:
            os.chdir(job["cwd"])
        except OSError:
            os.chdir("/")
        os.execve(job["argv"][0], job["argv"], env)
    except BaseException:
        pass
    os._exit(254)


def members(session):
    """The processes of a session. One that made a session of its own is not among them, as in real batch systems."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name, "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != b"Z":
            found.append(int(name))
    return found


def send(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            pass


def number_of(name):
    name = str(name)
    return int(name) if name.isdigit() else int(getattr(signal, name if name.startswith("SIG") else "SIG" + name))
