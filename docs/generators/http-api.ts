/** docs/http-api.md, from the table of operations. */
import { z } from "zod";
import { OPERATIONS, type Operation } from "../../protocol/operations.ts";
import { type JsonSchema, remarks, typeName } from "./json-schema.ts";
import { generatedNotice, table } from "./markdown.ts";

/** Which heading an operation stands under, by the beginning of its path; the first that fits. */
const SECTIONS: readonly (readonly [prefix: string, title: string])[] = [
  ["/v1/tasks", "Tasks"],
  ["/v1/functions", "Functions"],
  ["/v1/groups", "Groups and events"],
  ["/v1/events", "Groups and events"],
  ["/v1/endpoints", "Endpoints"],
  ["/v1/blobs", "Blobs"],
  ["/v1/", "Tokens and audit"],
  ["/", "The gateway itself"],
];

/** The whole page. */
export function httpApiPage(): string {
  const operations = Object.entries(OPERATIONS) as [string, Operation][];
  const titles = [...new Set(SECTIONS.map(([, title]) => title))];
  return [
    "# HTTP API",
    generatedNotice("protocol/operations.ts"),
    "A running gateway serves the same table as OpenAPI 3.1 at `/openapi.json` and as a page at `/docs`. A request carries its\ntoken as `Authorization: Bearer <token>`; each operation\nnames the scopes of which a token needs one. Errors have the form and the codes of [errors.md](errors.md). Times are the gateway's, in Unix milliseconds.",
    ...titles.flatMap((title) => section(title, operations)),
    "## Shapes",
    "The named types above, as they are in JSON.",
    ...shapes(),
    "",
  ].join("\n\n");
}

function shapes(): string[] {
  const { schemas } = z.toJSONSchema(z.globalRegistry, { io: "input", unrepresentable: "any" });
  return Object.entries(schemas as Record<string, JsonSchema>)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([id, { id: _, ...schema }]) => [
      `### ${id}`,
      ...(schema.description === undefined ? [] : [schema.description]),
      ...propertyTable("Field", schema),
    ]);
}

function section(title: string, all: readonly [string, Operation][]): string[] {
  const operations = all.filter(([, operation]) => titleOf(operation.path) === title);
  if (operations.length === 0) return [];
  return [`## ${title}`, ...operations.flatMap(([name, operation]) => describe(name, operation))];
}

function titleOf(path: string): string {
  return SECTIONS.find(([prefix]) => path.startsWith(prefix))?.[1] ?? "The gateway itself";
}

function describe(name: string, operation: Operation): string[] {
  const scope = operation.scope === null ? "no token needed" : `scope: ${operation.scope.join(" or ")}`;
  return [
    `### \`${operation.method} ${operation.path}\``,
    `${operation.summary} *(\`${name}\`; ${scope}; answers ${answer(operation)})*`,
    ...fields("Query", operation.query),
    ...fields("Body", operation.body),
    ...fields("Answer", operation.response),
  ];
}

function answer(operation: Operation): string {
  const status = operation.status ?? 200;
  const kinds = { json: "JSON", bytes: "bytes", text: "text", events: "an event stream", html: "a page" };
  return `${status} with ${kinds[operation.responds ?? "json"]}`;
}

function fields(title: string, schema: z.ZodType | undefined): string[] {
  if (schema === undefined) return [];
  return propertyTable(title, z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema);
}

function propertyTable(title: string, schema: JsonSchema): string[] {
  if (schema.id !== undefined || schema.$ref !== undefined) return [`${title}: ${typeName(schema)}.`];
  if (schema.properties === undefined) return [`${title === "Field" ? "One of" : title}: ${typeName(schema)}.`];
  const required = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties).map(([name, property]) => [
    `\`${name}\`${title !== "Answer" && required.has(name) ? " (required)" : ""}`,
    typeName(property),
    remarks(property),
  ]);
  return [table([title, "type", ""], rows)];
}
