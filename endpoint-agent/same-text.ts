/** Comparison of secrets. */
import { timingSafeEqual } from "node:crypto";

/** Whether two texts are equal; takes the same time wherever they differ. */
export function sameText(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(String(b));
  return left.length === right.length && timingSafeEqual(left, right);
}
