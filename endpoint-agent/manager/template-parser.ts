// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the shell's
/** Finds the `{name}` of a command's template, and in what quotes of the shell's language each stands. */

/** Text as it is, or a placeholder: outside quotes, or inside double or single ones. */
export type Part = string | { name: string; quotes: "" | '"' | "'" };

type Level = "top" | "parentheses" | "double";

const PLACEHOLDER = /\{([A-Za-z_][A-Za-z0-9_]*)\}/y;
const DOUBLED = /\{(\{[A-Za-z_][A-Za-z0-9_]*\})\}/y;
const WORD_BREAK = /[\s;&|()<>]/;

/** Cuts a template. Throws where a placeholder stands in a place that cannot be made safe. */
export function parseTemplate(template: string): Part[] {
  const parts: Part[] = [];
  const levels: Level[] = ["top"];
  /** why placeholders from here on cannot be placed with certainty */
  let unsure: string | undefined;
  let text = "";
  let at = 0;
  /** where the last escape outside of quotes ended */
  let escaped = -1;

  const level = () => levels[levels.length - 1] as Level;
  const placeholder = (quotes: "" | '"' | "'"): boolean => {
    const doubled = match(DOUBLED, template, at);
    if (doubled) {
      text += doubled[1];
      at += doubled[0].length;
      return true;
    }
    const found = match(PLACEHOLDER, template, at);
    if (!found) return false;
    if (unsure) throw new SyntaxError(`{${found[1]}} stands ${unsure}, where no quoting is safe`);
    parts.push(text, { name: found[1] as string, quotes });
    text = "";
    at += found[0].length;
    return true;
  };
  const copy = (count: number) => {
    text += template.slice(at, at + count);
    at += count;
  };
  /** Copies from `begin` up to and with `end`, and returns what is between; a placeholder there is refused. */
  const skip = (begin: string, end: string, where: string) => {
    const from = at + begin.length;
    const found = template.indexOf(end, from);
    const stop = found < 0 ? template.length : found;
    const inside = template.slice(from, stop);
    const name = /\{([A-Za-z_]\w*)(\}|$)/.exec(inside.replaceAll("${", "$"));
    if (name) throw new SyntaxError(`{${name[1]}} stands ${where}, where no quoting is safe`);
    copy(stop + end.length - at);
    return inside;
  };
  const single = () => {
    copy(1);
    while (at < template.length && template[at] !== "'") if (!placeholder("'")) copy(1);
    copy(1);
  };
  /** `$…` and backticks, which mean the same outside and inside double quotes. */
  const expansion = (): boolean => {
    if (template.startsWith("$$", at)) {
      copy(2);
      // bash looks for the end of a string or of `$(…)` as if its second sign began an expansion.
      const next = levels.includes("parentheses") ? /[({['"]/ : /[({[]/;
      if (next.test(template[at] ?? "")) unsure = "after $$ and what may be an expansion";
    } else if (template.startsWith("$[", at)) {
      // Arithmetic to bash, text to dash. bash expands what is in it again, also what a value brings.
      copy(2);
      unsure = "after $[";
    } else if (template.startsWith("$((", at)) {
      if (/["'\\`(]/.test(skip("$((", "))", "in an arithmetic expansion")))
        unsure = "after a nested arithmetic expansion";
    } else if (template.startsWith("$(", at)) {
      copy(2);
      levels.push("parentheses");
    } else if (template.startsWith("${", at)) {
      const inside = skip("${", "}", "in a parameter expansion");
      if (/["'\\`]|\$[({]/.test(inside)) unsure = "after a nested parameter expansion";
    } else if (template[at] === "`") {
      if (/\\/.test(skip("`", "`", "between backticks (use $(…))"))) unsure = "after escapes between backticks";
    } else return false;
    return true;
  };
  const bare = () => {
    const char = template[at] as string;
    const before = at === 0 ? " " : (template[at - 1] as string);
    if (char === "\\") {
      copy(2);
      escaped = at;
    } else if (char === "'") single();
    else if (char === '"') {
      copy(1);
      levels.push("double");
    } else if (char === "#" && WORD_BREAK.test(before)) {
      // An escaped character is a word's; what ends a line or a `$(…)` may stand in one.
      if (before === (at === escaped ? "\n" : ")")) unsure = "after a # that may begin a comment";
      if (at === escaped || before === ")") copy(1);
      else skip("#", "\n", "in a comment");
    } else if (template.startsWith("<<", at)) {
      if (template[at + 2] !== "<") unsure = "after the beginning of a here-document (<<)";
      copy(3);
    } else if (char === "(") {
      // Arithmetic to bash, which runs the `a[$(…)]` of a value; two subshells to dash.
      if (template[at + 1] === "(") unsure = "after ((";
      copy(1);
      levels.push("parentheses");
    } else if (char === ")") {
      copy(1);
      // Unmatched at the top: the end of a pattern of `case`.
      if (level() === "parentheses") levels.pop();
    } else {
      // $'…' is one thing to bash and another to dash.
      if (template.startsWith("$'", at)) unsure = "after $'…'";
      if (levels.length > 1 && WORD_BREAK.test(before) && /^case\s/.test(template.slice(at, at + 5))) {
        unsure = "after a `case` in parentheses";
      }
      copy(1);
    }
  };

  while (at < template.length) {
    if (expansion()) continue;
    if (placeholder(level() === "double" ? '"' : "")) continue;
    if (level() !== "double") bare();
    else if (template[at] === "\\") copy(2);
    else {
      if (template[at] === '"') levels.pop();
      copy(1);
    }
  }
  parts.push(text);
  return parts;
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
