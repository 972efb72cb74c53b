/** What one entry of the table of HTTP operations is, and the schemas that several themes share. */
import { z } from "zod";

/** What a token may do. `admin` includes every other one but `agent`. */
export const Scope = z.enum(["read", "invoke", "endpoints", "agent", "admin"]).meta({ id: "Scope" });
export type Scope = z.infer<typeof Scope>;

/** One entry of the table. */
export type Operation = {
  method: "GET" | "POST" | "PUT" | "DELETE" | "HEAD";
  /** with `{name}` for parameters */
  path: string;
  /** any one of these; `null`: no token needed */
  scope: readonly Scope[] | null;
  summary: string;
  query?: z.ZodType;
  /** JSON body; `bytes`: the raw body; `frame`: also application/vnd.farcall.frames */
  body?: z.ZodType;
  accepts?: "json" | "bytes" | "json-or-frame";
  response?: z.ZodType;
  responds?: "json" | "bytes" | "text" | "events" | "html";
  status?: number;
};

/** The query of every list. */
export const page = { cursor: z.string().optional(), limit: z.coerce.number().int().min(1).max(1000).default(100) };

/** A query parameter that may be given more than once. */
export const many = z
  .union([z.string(), z.array(z.string())])
  .transform((value) => (Array.isArray(value) ? value : [value]));

/** One page of a list; `cursor` is null on the last one. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), cursor: z.string().nullable() });
