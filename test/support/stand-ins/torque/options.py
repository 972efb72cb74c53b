"""qsub's options, from the command line and from the script's #PBS lines."""
import shlex

WITH_VALUE = "aAbcCdDejJkKlmMNopPqrStTuvwW"
FLAGS = "fhInVxXz"
USAGE = """[exiting]

usage: qsub [-a date_time] [-A account_string] [-b secs]
    [-c [ none | { enabled | periodic | shutdown |
    depth=<int> | dir=<path> | interval=<minutes>}... ]
    [-C directive_prefix] [-d path] [-D path]
    [-e path] [-h] [-I] [-j oe|eo|n] [-k {oe}] [-K <kill delay seconds>] 
    [-l resource_list] [-m n|{abe}] [-M user_list] [-N jobname] [-o path] 
    [-p priority] [-P proxy_user [-J <jobid]] [-q queue] [-r y|n] 
    [-S path] [-t number_to_submit] [-T type]  [-u user_list] [-w] path
    [-W additional_attributes] [-v variable_list] [-V ] [-x] [-X] [-z] [script]
"""


class Refusal(Exception):
    def __init__(self, err, code):
        super().__init__(err)
        self.err = err
        self.code = code


def parse(argv, name="qsub", usage=USAGE, with_value=WITH_VALUE, flags=FLAGS):
    """Pairs of option and value, and the operands. The same option may come more than once."""
    pairs, operands, index = [], [], 0
    while index < len(argv):
        word = argv[index]
        index += 1
        if word == "-" or not word.startswith("-"):
            operands.append(word)
            continue
        rest = word[1:]
        while rest:
            option, rest = rest[0], rest[1:]
            if option in flags:
                pairs.append((option, True))
            elif option in with_value:
                if not rest and index >= len(argv):
                    raise Refusal("%s: option requires an argument -- '%s'\n%s" % (name, option, usage), 2)
                pairs.append((option, rest or argv[index]))
                index += 0 if rest else 1
                rest = ""
            else:
                raise Refusal("%s: invalid option -- '%s'\n%s" % (name, option, usage), 2)
    return pairs, operands


def directives(script, prefix="#PBS"):
    """The words of the #PBS lines; they end at the first line that is neither empty nor a comment."""
    words = []
    for line in script.splitlines():
        text = line.strip()
        if text.startswith(prefix):
            try:
                words += shlex.split(text[len(prefix) :])
            except ValueError:
                words += text[len(prefix) :].split()
        elif text and not text.startswith("#"):
            break
    return words


def resources(pairs):
    """All -l as one table: a later one wins."""
    table = {}
    for option, value in pairs:
        if option != "l":
            continue
        for item in value.split(","):
            key, equals, amount = item.partition("=")
            if not equals or not key:
                raise Refusal("Cannot find an attr=value pair in comma separated value '%s'\n" % item, 1)
            table[key.strip()] = amount.strip()
    return table
