/** Checks what came in against the operation's schemas; the error names the field, its value and what would be right. */
import type { Context } from "hono";
import { z } from "zod";
import { badField } from "../../protocol/batch.ts";
import type { ApiError } from "../../protocol/errors.ts";
import { expectationOf } from "../../protocol/expectation.ts";

/** The value as the schema makes it. Throws BAD_REQUEST; `where` is "body" or "query". */
export function parseWith(schema: z.ZodType, value: unknown, where: string): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw fieldError(parsed.error.issues[0] as z.core.$ZodIssue, value, where);
}

/** The query's parameters, those given more than once as lists. Throws BAD_REQUEST for one that the schema does not know. */
export function queryOf(context: Context, schema: z.ZodType): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = {};
  const known = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  for (const [name, values] of Object.entries(context.req.queries())) {
    if (!known.includes(name)) throw badField(`query.${name}`, values[0], `one of ${known.join(", ")}`);
    query[name] = values.length === 1 ? (values[0] as string) : values;
  }
  return query;
}

function fieldError(issue: z.core.$ZodIssue, root: unknown, where: string): ApiError {
  let value = root;
  for (const key of issue.path) {
    // One parameter may stand for a list of one: then the path leads on where the text does not.
    if (typeof value === "string") break;
    value = (value as Record<PropertyKey, unknown> | null | undefined)?.[key];
  }
  const path = [where, ...issue.path.map(String)];
  if (issue.code === "unrecognized_keys") {
    return badField([...path, issue.keys[0]].join("."), "given", "no such field");
  }
  return badField(path.join("."), value, expectationOf(issue));
}
