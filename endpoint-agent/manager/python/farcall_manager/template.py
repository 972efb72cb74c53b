"""
Fills a command's template: `{name}` becomes the argument's field, quoted so that sh takes it as text and nothing else, outside quotes,
inside them, and inside `$(…)`. Where no quoting is safe the template is refused.
"""
import datetime
import math
import re

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
DOUBLED = re.compile(r"\{(\{[A-Za-z_][A-Za-z0-9_]*\})\}")
INSIDE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(\}|\Z)")
WORD_BREAK = re.compile(r"[\s;&|()<>]")


class TemplateError(Exception):
    """A field is missing or cannot be quoted."""


def fill_template(template, fields):
    """Replaces every `{name}`; `{{name}}` stands for `{name}` itself."""
    return "".join(part if isinstance(part, str) else _fill(part, fields) for part in _Parser(template).parse())


def quote(text):
    """As one word that nothing in it can leave."""
    if "\0" in text:
        raise TemplateError("a command's argument holds a NUL character, which no program can be given")
    return "'%s'" % text.replace("'", "'\\''")


def _fill(part, fields):
    name, quotes = part
    if name not in fields:
        given = ", ".join(fields) or "none"
        message = 'the command needs a field "%s"; the call gave: %s. Where {%s} itself is meant, write {{%s}}'
        raise TemplateError(message % (name, given, name, name))
    value = fields[name]
    if isinstance(value, (list, tuple)):
        if quotes:
            raise TemplateError("{%s} is a list, which fits only outside quotes" % name)
        return " ".join(quote(_text_of(name, item)) for item in value)
    # Inside quotes: these are closed, and opened again behind the value.
    return quotes + quote(_text_of(name, value)) + quotes


def _text_of(name, value):
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number_text(value)
    if isinstance(value, datetime.datetime):
        utc = value.astimezone(datetime.timezone.utc)
        return utc.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (utc.microsecond // 1000)
    if isinstance(value, datetime.date):
        return value.isoformat()
    kind = "null" if value is None else "object"
    raise TemplateError("{%s} is %s; a command takes text, numbers and lists" % (name, kind))


def _number_text(value):
    """As JavaScript writes it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    text = repr(value)
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    power = int(exponent)
    if -7 < power < 0:
        sign, digits = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
        return sign + "0." + "0" * (-power - 1) + digits.replace(".", "")
    return "%se%s%d" % (mantissa, "+" if power > 0 else "-", abs(power))


class _Parser:
    """Finds the placeholders, and in what quotes of the shell's language each stands: text, or (name, quotes)."""

    def __init__(self, template):
        self.template, self.at = template, 0
        self.parts, self.text, self.levels = [], [], ["top"]
        #: why placeholders from here on cannot be placed with certainty
        self.unsure = None
        #: where the last escape outside of quotes ended
        self.escaped = -1

    def parse(self):
        while self.at < len(self.template):
            if self.expansion():
                continue
            double = self.levels[-1] == "double"
            if self.placeholder('"' if double else ""):
                continue
            if not double:
                self.bare()
            elif self.char() == "\\":
                self.copy(2)
            else:
                if self.char() == '"':
                    self.levels.pop()
                self.copy(1)
        return self.parts + ["".join(self.text)]

    def char(self):
        return self.template[self.at]

    def begins(self, text):
        return self.template.startswith(text, self.at)

    def copy(self, count):
        self.text.append(self.template[self.at:self.at + count])
        self.at += count

    def placeholder(self, quotes):
        doubled = DOUBLED.match(self.template, self.at)
        if doubled:
            self.text.append(doubled.group(1))
            self.at = doubled.end()
            return True
        found = PLACEHOLDER.match(self.template, self.at)
        if not found:
            return False
        if self.unsure:
            raise TemplateError("{%s} stands %s, where no quoting is safe" % (found.group(1), self.unsure))
        self.parts += ["".join(self.text), (found.group(1), quotes)]
        self.text = []
        self.at = found.end()
        return True

    def skip(self, begin, end, where):
        """Copies from `begin` up to and with `end`, and returns what is between; a placeholder there is refused."""
        start = self.at + len(begin)
        found = self.template.find(end, start)
        stop = len(self.template) if found < 0 else found
        inside = self.template[start:stop]
        name = INSIDE.search(inside.replace("${", "$"))
        if name:
            raise TemplateError("{%s} stands %s, where no quoting is safe" % (name.group(1), where))
        self.copy(stop + len(end) - self.at)
        return inside

    def expansion(self):
        """`$…` and backticks, which mean the same outside and inside double quotes."""
        if self.begins("$$"):
            self.copy(2)
            # bash looks for the end of a string or of `$(…)` as if its second sign began an expansion.
            doubtful = ("(", "{", "[", "'", '"') if "parentheses" in self.levels else ("(", "{", "[")
            if self.template[self.at:self.at + 1] in doubtful:
                self.unsure = "after $$ and what may be an expansion"
        elif self.begins("$["):
            # Arithmetic to bash, text to dash. bash expands what is in it again, also what a value brings.
            self.copy(2)
            self.unsure = "after $["
        elif self.begins("$(("):
            if re.search(r"[\"'\\`(]", self.skip("$((", "))", "in an arithmetic expansion")):
                self.unsure = "after a nested arithmetic expansion"
        elif self.begins("$("):
            self.copy(2)
            self.levels.append("parentheses")
        elif self.begins("${"):
            if re.search(r"[\"'\\`]|\$[({]", self.skip("${", "}", "in a parameter expansion")):
                self.unsure = "after a nested parameter expansion"
        elif self.char() == "`":
            if "\\" in self.skip("`", "`", "between backticks (use $(…))"):
                self.unsure = "after escapes between backticks"
        else:
            return False
        return True

    def bare(self):
        char = self.char()
        before = " " if self.at == 0 else self.template[self.at - 1]
        if char == "\\":
            self.copy(2)
            self.escaped = self.at
        elif char == "'":
            self.single()
        elif char == '"':
            self.copy(1)
            self.levels.append("double")
        elif char == "#" and WORD_BREAK.match(before):
            # An escaped character is a word's; what ends a line or a `$(…)` may stand in one.
            if before == ("\n" if self.at == self.escaped else ")"):
                self.unsure = "after a # that may begin a comment"
            if self.at == self.escaped or before == ")":
                self.copy(1)
            else:
                self.skip("#", "\n", "in a comment")
        elif self.begins("<<"):
            if self.template[self.at + 2:self.at + 3] != "<":
                self.unsure = "after the beginning of a here-document (<<)"
            self.copy(3)
        elif char == "(":
            # Arithmetic to bash, which runs the `a[$(…)]` of a value; two subshells to dash.
            if self.begins("(("):
                self.unsure = "after (("
            self.copy(1)
            self.levels.append("parentheses")
        elif char == ")":
            self.copy(1)
            # Unmatched at the top: the end of a pattern of `case`.
            if self.levels[-1] == "parentheses":
                self.levels.pop()
        else:
            # $'…' is one thing to bash and another to dash.
            if self.begins("$'"):
                self.unsure = "after $'…'"
            if len(self.levels) > 1 and WORD_BREAK.match(before) and re.match(r"case\s", self.template[self.at:self.at + 5]):
                self.unsure = "after a `case` in parentheses"
            self.copy(1)

    def single(self):
        self.copy(1)
        while self.at < len(self.template) and self.char() != "'":
            if not self.placeholder("'"):
                self.copy(1)
        self.copy(1)
