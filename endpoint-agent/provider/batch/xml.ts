/** Just enough XML for the lists of Torque and Moab. What is cut short or does not nest is no list at all. */

export type Element = {
  name: string;
  attributes: Readonly<Record<string, string>>;
  children: readonly Element[];
  /** what stands directly in it */
  text: string;
};

type Open = Element & { children: Element[]; text: string };

const TOKEN = /<(\/?)([A-Za-z_][\w.-]*)((?:\s+[\w.:-]+="[^"<]*")*)\s*(\/?)>|<\?[^>]*\?>|([^<]+)|(<)/g;

/** The `root` element, with nothing but a banner before it and white space after it. Control characters are let through. */
export function parseXml(text: string, root: string): Element | undefined {
  const begin = text.search(new RegExp(`<${root}[\\s>]`));
  if (begin < 0) return undefined;
  const open: Open[] = [];
  let whole: Element | undefined;
  TOKEN.lastIndex = 0;
  for (const match of text.slice(begin).matchAll(TOKEN)) {
    const [, slash, name, attributes, selfClosing, content, stray] = match;
    if (stray !== undefined) return undefined;
    const parent = open.at(-1);
    if (content !== undefined) {
      if (parent) parent.text += content;
      else if (content.trim() !== "") return undefined;
      continue;
    }
    if (name === undefined) continue;
    if (slash === "/") {
      const closed = open.pop();
      if (closed?.name !== name) return undefined;
      closed.text = decode(closed.text);
      if (open.length === 0) whole = closed;
      continue;
    }
    // A second root: two answers, or something else.
    if (whole) return undefined;
    const element: Open = { name, attributes: attributesOf(attributes ?? ""), children: [], text: "" };
    parent?.children.push(element);
    if (selfClosing !== "/") open.push(element);
    else if (!parent) return undefined;
  }
  return open.length === 0 ? whole : undefined;
}

/** The text of the only child of that name; undefined when there is none, or more than one. */
export function childText(element: Element, name: string): string | undefined {
  const found = element.children.filter((child) => child.name === name);
  return found.length === 1 ? found[0]?.text : undefined;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function decode(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => ENTITIES[name] as string);
}

function attributesOf(text: string): Record<string, string> {
  const attributes: Record<string, string> = Object.create(null);
  for (const [, name, value] of text.matchAll(/([\w.:-]+)="([^"]*)"/g)) {
    attributes[name as string] = decode(value as string);
  }
  return attributes;
}
