/** The table of operations as an OpenAPI 3.1 document. */
import { z } from "zod";
import { ERRORS, type ErrorCode } from "../protocol/errors.ts";
import { OPERATIONS, type Operation } from "../protocol/operations.ts";

type Json = Record<string, unknown>;
type Components = Record<string, Json>;

const MEDIA: Record<NonNullable<Operation["responds"]>, string> = {
  json: "application/json",
  bytes: "application/octet-stream",
  text: "text/plain",
  events: "text/event-stream",
  html: "text/html",
};

/** Makes the document. Schemas with a name (`.meta({ id })`) become components. */
export function openApiDocument(version: string, frameMediaType: string): Json {
  const components: Components = { Error: ERROR_SCHEMA };
  const paths: Record<string, Json> = {};
  for (const [name, entry] of Object.entries(OPERATIONS)) {
    const operation: Operation = entry;
    const path = paths[operation.path] ?? {};
    paths[operation.path] = path;
    path[operation.method.toLowerCase()] = describe(name, operation, { components, frameMediaType });
  }
  return {
    openapi: "3.1.0",
    info: { title: "Farcall", version, description: "Call a function anywhere. Errors are ApiError JSON: { error }." },
    paths,
    components: {
      schemas: components,
      securitySchemes: { token: { type: "http", scheme: "bearer", description: "A token of Farcall: farcall_…" } },
    },
  };
}

/** JSON Schema of what goes in (`input`) or out; named parts are moved to the components. */
export function schemaOf(schema: z.ZodType, io: "input" | "output", components: Components): Json {
  const {
    $schema: _,
    $defs = {},
    ...own
  } = z.toJSONSchema(schema, { io, unrepresentable: "any" }) as Json & { $defs?: Components };
  for (const [id, definition] of Object.entries($defs)) components[id] = moved(definition) as Json;
  const id = schema.meta()?.id;
  const result = moved(own) as Json;
  if (id === undefined) return result;
  components[id] = result;
  return { $ref: `#/components/schemas/${id}` };
}

type Context = { components: Components; frameMediaType: string };

function describe(name: string, operation: Operation, context: Context): Json {
  return {
    operationId: name,
    summary: operation.summary,
    ...(operation.scope ? { security: [{ token: [] }], "x-scopes": operation.scope } : { security: [] }),
    parameters: [...pathParameters(operation.path), ...queryParameters(operation, context)],
    ...requestBody(operation, context),
    responses: responses(operation, context),
  };
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
}

function queryParameters({ query }: Operation, { components }: Context): Json[] {
  if (!query) return [];
  const { properties = {}, required = [] } = schemaOf(query, "input", components) as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: "query",
    required: required.includes(name),
    schema,
  }));
}

function requestBody({ body, accepts }: Operation, { components, frameMediaType }: Context): Json {
  const content: Json = {};
  if (body) content["application/json"] = { schema: schemaOf(body, "input", components) };
  if (accepts === "bytes") content["application/octet-stream"] = {};
  if (accepts === "json-or-frame") content[frameMediaType] = {};
  return Object.keys(content).length > 0 ? { requestBody: { required: true, content } } : {};
}

function responses({ response, responds, scope, status = 200 }: Operation, { components }: Context): Json {
  const content: Json = {};
  if (response) content["application/json"] = { schema: schemaOf(response, "output", components) };
  if (responds) content[MEDIA[responds]] ??= {};
  if (Object.keys(content).length === 0) content["application/json"] = {};
  const denied: ErrorCode[] = scope ? ["UNAUTHENTICATED", "FORBIDDEN", "RATE_LIMITED"] : [];
  const errors = denied.map((code) => [ERRORS[code].status, errorResponse(ERRORS[code].what)]);
  return {
    [status]: { description: "done", content },
    ...Object.fromEntries(errors),
    default: errorResponse("An error of the table in docs/errors.md."),
  };
}

function errorResponse(description: string): Json {
  const schema = { type: "object", properties: { error: { $ref: "#/components/schemas/Error" } }, required: ["error"] };
  return { description, content: { "application/json": { schema } } };
}

/** References inside a schema point to its own `$defs`; here they point to the components. */
function moved(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(moved);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) =>
      key === "$ref" && typeof inner === "string"
        ? [key, inner.replace("#/$defs/", "#/components/schemas/")]
        : [key, moved(inner)],
    ),
  );
}

const ERROR_SCHEMA: Json = {
  type: "object",
  properties: {
    code: { type: "string", enum: Object.keys(ERRORS) },
    message: { type: "string" },
    next: { type: "string", description: "what to do about it" },
    retryable: { type: "boolean", description: "whether the same request may succeed later" },
    details: { type: "object" },
  },
  required: ["code", "message", "next", "retryable"],
};
