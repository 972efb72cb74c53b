/** A module for the tests of bundles: imports a file, a package and Node itself. */
import { basename } from "node:path";
import { parse } from "yaml";
import { mean } from "./mean.ts";

export const NAME = "statistics";

export function summary(values: number[]): { mean: number; count: number } {
  return { mean: mean(values), count: values.length };
}

export async function fromYaml(text: string): Promise<unknown> {
  return parse(text);
}

export function file(path: string): string {
  return basename(path);
}
