/** docs/configuration.md, from the schemas that check the files. */
import { z } from "zod";
import { EndpointConfig } from "../../endpoint-agent/config.ts";
import { GatewayConfig } from "../../gateway/config.ts";
import { type JsonSchema, remarks, typeName } from "./json-schema.ts";
import { generatedNotice, table } from "./markdown.ts";

/** The whole page. */
export function configurationPage(): string {
  return [
    "# Configuration",
    generatedNotice("gateway/config.ts", "endpoint-agent/config.ts"),
    "## The gateway: `gateway.yaml`",
    "`farcall up` writes one. A mistake is answered with the file, the line, the field and what would be right.",
    fieldTable(GatewayConfig),
    "## An endpoint: `config.yaml`",
    "In the endpoint's directory; `farcall endpoint configure` writes one, and a JSON Schema beside it for editors.",
    fieldTable(EndpointConfig),
    "",
  ].join("\n\n");
}

function fieldTable(schema: z.ZodType): string {
  const json = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema;
  const definitions = json.$defs ?? {};
  return table(["field", "type", ""], rows(resolved(json, definitions), "", definitions));
}

/** A schema with an id stands among the definitions. */
function resolved(schema: JsonSchema, definitions: Record<string, JsonSchema>): JsonSchema {
  return definitions[schema.$ref?.split("/").at(-1) ?? ""] ?? schema;
}

/** A row a field; those inside an object with their full path. */
function rows(schema: JsonSchema, prefix: string, definitions: Record<string, JsonSchema>): string[][] {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).flatMap(([name, reference]) => {
    const property = resolved(reference, definitions);
    const path = `${prefix}${name}`;
    if (property.properties !== undefined) return rows(property, `${path}.`, definitions);
    const variants = (property.oneOf ?? []).map((variant) => resolved(variant, definitions));
    if (variants.some((variant) => variant.properties?.type !== undefined)) {
      return variantRows(property, variants, path, definitions);
    }
    return [[`\`${path}\`${required.has(name) ? " (required)" : ""}`, typeName(property), remarks(property)]];
  });
}

/** Objects of which `type` says the kind: first what `type` may be, then the fields of each kind. */
function variantRows(
  schema: JsonSchema,
  variants: readonly JsonSchema[],
  path: string,
  definitions: Record<string, JsonSchema>,
): string[][] {
  const types = variants.map(({ properties }) => typeName(properties?.type ?? {}).replaceAll('"', ""));
  const fields = variants.flatMap((variant, i) => {
    const { type: _, ...properties } = variant.properties ?? {};
    // Only this kind requires them.
    return rows({ ...variant, properties }, `${path}.`, definitions).map(([field = "", ...rest]) => [
      field.split(".").length === path.split(".").length + 1
        ? field.replace("(required)", `(required with ${types[i]})`)
        : field,
      ...rest,
    ]);
  });
  return [[`\`${path}.type\``, types.join(" or "), remarks(schema)], ...fields];
}
