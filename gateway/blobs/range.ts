/** The Range header, RFC 9110 section 14: one range of bytes; what is not understood is the whole. */
export type ByteRange = { from: number; to: number };

/** The range of a representation of `size` bytes; undefined for the whole. */
export function parseRange(header: string | undefined, size: number): ByteRange | undefined | "unsatisfiable" {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return undefined;
  if (match[1] === "") {
    const suffix = Math.min(Number(match[2]), size);
    return suffix === 0 ? "unsatisfiable" : { from: size - suffix, to: size - 1 };
  }
  const from = Number(match[1]);
  const to = match[2] === "" ? size - 1 : Math.min(Number(match[2]), size - 1);
  if (match[2] !== "" && Number(match[2]) < from) return undefined;
  return from >= size ? "unsatisfiable" : { from, to };
}
