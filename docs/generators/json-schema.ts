/** What the generated pages need of JSON Schema: the fields that zod writes, and their types in words. */

export type JsonSchema = {
  type?: string | string[];
  description?: string;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  enum?: unknown[];
  const?: unknown;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  default?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  $ref?: string;
  $defs?: Record<string, JsonSchema>;
  id?: string;
  additionalProperties?: JsonSchema | boolean;
};

/** A schema's type in a few words. */
export function typeName(schema: JsonSchema): string {
  if (schema.id !== undefined) return schema.id;
  if (schema.$ref !== undefined) return schema.$ref.split("/").at(-1) ?? "any";
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(" or ");
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return [...new Set(choices.map(typeName))].join(" or ");
  if (schema.type === "array") return `list of ${typeName(schema.items ?? {})}`;
  if (schema.type === "object" && typeof schema.additionalProperties === "object") {
    return `map of ${typeName(schema.additionalProperties)}`;
  }
  if (schema.type === "integer" || schema.type === "number") return `${schema.type}${range(schema)}`;
  return Array.isArray(schema.type) ? schema.type.join(" or ") : (schema.type ?? "any value");
}

/** The description and the default of a field. */
export function remarks(schema: JsonSchema): string {
  const fallback = schema.default === undefined ? "" : `Default \`${JSON.stringify(schema.default)}\`.`;
  return [sentence(schema.description ?? ""), fallback].filter((part) => part !== "").join(" ");
}

function sentence(text: string): string {
  return text === "" || /[.:!?]$/.test(text) ? text : `${text}.`;
}

function range({ minimum, maximum, exclusiveMinimum, type }: JsonSchema): string {
  const whole = type === "integer" && exclusiveMinimum !== undefined ? exclusiveMinimum + 1 : undefined;
  const least = minimum ?? whole;
  const above = type === "number" && exclusiveMinimum !== undefined ? `above ${exclusiveMinimum}` : "";
  // the bounds of a JavaScript safe integer say nothing to a reader
  const low = least !== undefined && least > Number.MIN_SAFE_INTEGER ? `from ${least}` : above;
  const high = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? `to ${maximum}` : "";
  const bounds = [low, high].filter((part) => part !== "").join(" ");
  return bounds === "" ? "" : ` ${bounds}`;
}
