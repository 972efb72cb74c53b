/** An ES module on top of CommonJS. */
// @ts-expect-error: there are no types for it
import common from "./common.cjs";

const require = "a name of its own";

export function here(): [string, string, string] {
  return [...(common.here() as [string, string]), require];
}
