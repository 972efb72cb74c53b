/** Finds what a function uses from outside itself: free identifiers, `this`, `import.meta` and relative imports. */
import { openScope, type Reference, type Scope } from "./scope.ts";

/** A node as acorn makes it. */
export type Node = { type: string; [field: string]: unknown };

export type Captures = {
  /** free identifiers in the order of their first use, with the node around the use */
  free: readonly Reference[];
  usesThis: boolean;
  usesImportMeta: boolean;
  /** specifiers of `import("…")` that are relative to the file they stand in */
  relativeImports: readonly string[];
};

/** Calls that stand for `import(…)` in code that a test runner or a dev server has rewritten. */
export const DYNAMIC_IMPORT_HELPERS: ReadonlySet<string> = new Set([
  "__vite_ssr_dynamic_import__",
  "__vi_dynamic_import__",
]);

type Walk = { scope: Scope; ownThis: boolean; found: Found };
type Found = { usesThis: boolean; usesImportMeta: boolean; relativeImports: string[] };
type Visitor = (node: Node, walk: Walk, parent: Node) => void;

/** Analyses one function or class expression. */
export function findCaptures(root: Node): Captures {
  const found: Found = { usesThis: false, usesImportMeta: false, relativeImports: [] };
  const scope = openScope();
  // `this` of the outermost function is nobody's: it is called as a plain function.
  visitFunction(root, { scope, ownThis: false, found }, true);
  const seen = new Set<string>();
  const free = scope.close().filter(({ name }) => !seen.has(name) && seen.add(name));
  return { ...found, free };
}

const VISITORS: Record<string, Visitor> = {
  Identifier: (node, { scope }, parent) => scope.refer({ name: node.name as string, node, parent }),
  ThisExpression: (_, { ownThis, found }) => {
    if (!ownThis) found.usesThis = true;
  },
  MetaProperty: (node, { found }) => {
    if ((node.meta as Node).name === "import") found.usesImportMeta = true;
  },
  MemberExpression: visitNamed("object", "property"),
  Property: visitNamed("value", "key"),
  MethodDefinition: visitNamed("value", "key"),
  PropertyDefinition: (node, walk) => {
    if (node.computed) visit(node.key as Node, walk, node);
    if (node.value) inScope("function", { ...walk, ownThis: true }, (inner) => visit(node.value as Node, inner, node));
  },
  StaticBlock: (node, walk) => inScope("function", { ...walk, ownThis: true }, (inner) => visitChildren(node, inner)),
  UnaryExpression: (node, walk) => {
    // `typeof x` never throws: it is how code asks whether a global exists.
    const argument = node.argument as Node;
    if (node.operator === "typeof" && argument.type === "Identifier") return;
    visit(argument, walk, node);
  },
  VariableDeclaration: (node, walk) => {
    for (const declarator of node.declarations as Node[]) {
      declare(declarator.id as Node, walk, node.kind === "var" ? "declareVar" : "declare");
      if (declarator.init) visit(declarator.init as Node, walk, declarator);
    }
  },
  FunctionDeclaration: (node, walk) => {
    walk.scope.declare((node.id as Node).name as string);
    visitFunction(node, walk);
  },
  FunctionExpression: (node, walk) => visitFunction(node, walk),
  ArrowFunctionExpression: (node, walk) => visitFunction(node, walk),
  ClassDeclaration: (node, walk) => {
    walk.scope.declare((node.id as Node).name as string);
    visitClass(node, walk);
  },
  ClassExpression: visitClass,
  BlockStatement: visitBlock,
  ForStatement: visitBlock,
  ForInStatement: visitBlock,
  ForOfStatement: visitBlock,
  SwitchStatement: visitBlock,
  CatchClause: (node, walk) =>
    inScope("block", walk, (inner) => {
      if (node.param) declare(node.param as Node, inner, "declare");
      visit(node.body as Node, inner, node);
    }),
  LabeledStatement: (node, walk) => visit(node.body as Node, walk, node),
  BreakStatement: () => {},
  ContinueStatement: () => {},
  ImportExpression: (node, walk) => {
    noteImport(node.source as Node, walk);
    visitChildren(node, walk);
  },
  CallExpression: (node, walk) => {
    const callee = node.callee as Node;
    const [first] = node.arguments as Node[];
    if (first && callee.type === "Identifier" && DYNAMIC_IMPORT_HELPERS.has(callee.name as string))
      noteImport(first, walk);
    visitChildren(node, walk);
  },
};

function visit(node: Node, walk: Walk, parent: Node): void {
  const visitor = VISITORS[node.type];
  if (visitor) visitor(node, walk, parent);
  else visitChildren(node, walk);
}

function visitChildren(node: Node, walk: Walk): void {
  for (const field in node) {
    const child = node[field];
    if (Array.isArray(child)) {
      for (const item of child) if (isNode(item)) visit(item, walk, node);
    } else if (isNode(child)) visit(child, walk, node);
  }
}

/** A node with a part that is a name, unless it is computed. */
function visitNamed(value: string, name: string): Visitor {
  return (node, walk) => {
    if (node.computed) visit(node[name] as Node, walk, node);
    visit(node[value] as Node, walk, node);
  };
}

function visitBlock(node: Node, walk: Walk): void {
  inScope("block", walk, (inner) => visitChildren(node, inner));
}

function visitFunction(node: Node, walk: Walk, outermost = false): void {
  const isArrow = node.type === "ArrowFunctionExpression";
  const ownThis = walk.ownThis || (!isArrow && !outermost);
  inScope("function", { ...walk, ownThis }, (inner) => {
    if (!isArrow) inner.scope.declare("arguments");
    if (node.type === "FunctionExpression" && node.id) inner.scope.declare((node.id as Node).name as string);
    for (const parameter of node.params as Node[]) declare(parameter, inner, "declare");
    const body = node.body as Node;
    if (body.type === "BlockStatement") visitChildren(body, inner);
    else visit(body, inner, node);
  });
}

function visitClass(node: Node, walk: Walk): void {
  inScope("block", walk, (inner) => {
    if (node.id) inner.scope.declare((node.id as Node).name as string);
    if (node.superClass) visit(node.superClass as Node, inner, node);
    visitChildren(node.body as Node, { ...inner, ownThis: true });
  });
}

/** Declares the names of a pattern; its defaults and computed keys are expressions. */
function declare(pattern: Node, walk: Walk, how: "declare" | "declareVar"): void {
  const { type } = pattern;
  if (type === "Identifier") walk.scope[how](pattern.name as string);
  else if (type === "AssignmentPattern") {
    declare(pattern.left as Node, walk, how);
    visit(pattern.right as Node, walk, pattern);
  } else if (type === "RestElement") declare(pattern.argument as Node, walk, how);
  else if (type === "ArrayPattern") {
    for (const element of pattern.elements as (Node | null)[]) if (element) declare(element, walk, how);
  } else if (type === "Property") {
    if (pattern.computed) visit(pattern.key as Node, walk, pattern);
    declare(pattern.value as Node, walk, how);
  } else if (type === "ObjectPattern") {
    for (const property of pattern.properties as Node[]) declare(property, walk, how);
  }
}

function inScope(kind: "function" | "block", walk: Walk, body: (inner: Walk) => void): void {
  const scope = walk.scope.child(kind);
  body({ ...walk, scope });
  scope.close();
}

function noteImport(source: Node, { found }: Walk): void {
  const { value } = source;
  if (source.type === "Literal" && typeof value === "string" && /^(\.{1,2}\/|\/|file:)/.test(value)) {
    found.relativeImports.push(value);
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && typeof (value as Node).type === "string";
}
