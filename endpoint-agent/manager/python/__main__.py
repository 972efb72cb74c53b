"""The manager of one node of a block, for nodes too old for Node.js: `python3 <this file or directory> --config <file>`."""
import os
import sys

if sys.version_info < (3, 6):
    sys.stderr.write("farcall: the manager needs Python 3.6 or newer; this is %d.%d\n" % sys.version_info[:2])
    sys.exit(78)

# The files beside this one may be on a disk that is read-only or another's: nothing is written there.
sys.dont_write_bytecode = True
# What a site's modules put there is for the functions: a backport among it would take the place of Python's own module.
unwanted = {os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path}
sys.path[1:] = [path for path in sys.path[1:] if os.path.abspath(path) not in unwanted]
if os.path.isdir(sys.path[0]):
    # In the repository; in the one file the workers' modules lie beside this one.
    sys.path.append(os.path.normpath(os.path.join(sys.path[0], "..", "..", "worker")))

if sys.argv[1:2] == ["watchdog"]:
    from farcall_manager.watchdog import main
else:
    from farcall_manager.main import main

main(sys.argv[1:])
