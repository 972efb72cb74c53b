"""flux of a stand-in for Flux: it becomes the program of its first argument, as the real one does."""
import os


def main(call):
    name = call.argv[0] if call.argv else ""
    program = os.path.join(call.settings["bin"], "flux-" + name)
    if not os.path.exists(program):
        call.answer("", "flux: `%s' is not a flux command. See 'flux --help'\n" % name, 1)
    os.execv(program, [program] + call.argv[1:])
