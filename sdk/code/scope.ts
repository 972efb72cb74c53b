/** Scopes of a function under analysis: what each declares, and which names nothing inside declares. */

export type Reference = { name: string; node: unknown; parent: unknown };

export type Scope = {
  declare(name: string): void;
  /** Where `var` goes: the nearest function. */
  declareVar(name: string): void;
  refer(reference: Reference): void;
  child(kind: "function" | "block"): Scope;
  /** Resolves what this scope declares and hands the rest out; the outermost keeps them. Declarations may follow uses. */
  close(): readonly Reference[];
};

/** Opens the outermost scope. */
export function openScope(): Scope {
  return scope("function", undefined);
}

type Inner = Scope & { kind: "function" | "block"; parent: Inner | undefined };

function scope(kind: Inner["kind"], parent: Inner | undefined): Inner {
  const names = new Set<string>();
  const references: Reference[] = [];
  const self: Inner = {
    kind,
    parent,
    declare: (name) => void names.add(name),
    declareVar(name) {
      names.add(name);
      // A block sees it too, by way of the function; declaring it on the way there does no harm.
      if (kind === "block") parent?.declareVar(name);
    },
    refer: (reference) => void references.push(reference),
    child: (childKind) => scope(childKind, self),
    close() {
      const free = references.filter(({ name }) => !names.has(name));
      if (parent) for (const reference of free) parent.refer(reference);
      return free;
    },
  };
  return self;
}
