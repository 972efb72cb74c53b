/** Names that a transpiler, bundler or test runner puts into a function's text: those that can be supplied, those that cannot. */
import { DYNAMIC_IMPORT_HELPERS, type Node } from "./captures.ts";
import type { Reference } from "./scope.ts";

/** Helpers that are put in front of the function where it uses them. */
export function preludeOf(name: string): string | undefined {
  if (name === "__name") {
    // esbuild's keepNames, which tsx switches on
    return 'const __name = (target, value) => Object.defineProperty(target, "name", { value, configurable: true });';
  }
  if (DYNAMIC_IMPORT_HELPERS.has(name)) return `const ${name} = (specifier) => import(specifier);`;
  return undefined;
}

const IMPORT_OBJECT = /^__(vi|vite_ssr)_import_\d+__$/;
const IMPORT_META = /^__vite_ssr_import_meta__$/;
const COVERAGE = /^(cov_\w+|__coverage__|stryMutAct_\w+|stryCov_\w+)$/;
const DOWN_LEVEL = new Set(
  `__async __asyncDelegator __asyncGenerator __asyncValues __await __awaiter __assign __callDispose __decorate
  __decorateClass __defNormalProp __earlyAccess __extends __forAwait __generator __objRest __privateAdd __privateGet
  __privateIn __privateMethod __privateSet __privateWrapper __publicField __read __rest __runInitializers __spread
  __spreadArray __spreadProps __spreadValues __superGet __superSet __template __using __values __yieldStar
  _async_to_generator _asyncToGenerator _class_private_field_get _define_property _object_spread _object_spread_props
  _objectSpread _ts_generator regeneratorRuntime tslib_1`.split(/\s+/),
);
const MODULE_NAMES = new Set(["require", "module", "exports", "__filename", "__dirname"]);

/** What a free identifier most likely is, for the message that refuses it. */
export function explainFree({ name, parent }: Reference): string {
  if (IMPORT_OBJECT.test(name)) return `${memberName(parent) ?? name} (imported at the top of its file)`;
  if (IMPORT_META.test(name)) return "import.meta (of its own file)";
  if (COVERAGE.test(name)) return `${name} (put there by a coverage tool; exclude this file from coverage)`;
  if (DOWN_LEVEL.has(name)) return `${name} (a transpiler's helper; set its target to ES2024 or newer)`;
  if (MODULE_NAMES.has(name)) return `${name} (CommonJS; use \`await import("node:…")\` inside the function)`;
  return name;
}

function memberName(parent: unknown): string | undefined {
  const { type, property, computed } = parent as Node;
  return type === "MemberExpression" && !computed ? ((property as Node).name as string) : undefined;
}
