/** Fills a command's template: `{name}` becomes the argument's field, quoted so that sh takes it as plain text. */

/** Quotes text for sh as one word that nothing in it can leave. */
export function quote(text: string): string {
  if (text.includes("\0"))
    throw new TypeError("a command's argument holds a NUL character, which no program can be given");
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Replaces every `{name}`; `{{name}}` stands for `{name}` itself. */
export function fillTemplate(template: string, fields: Record<string, unknown>): string {
  return template.replaceAll(/\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => quote(String(fields[name])));
}
