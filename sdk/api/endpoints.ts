/** Endpoints and functions: what there is to call, and where. */

import type { EndpointView } from "../../protocol/endpoint.ts";
import type { FunctionView } from "../../protocol/function.ts";
import type { QueryOf, ResponseOf } from "../../protocol/operations.ts";
import type { HttpClient } from "../http/client.ts";
import { createListing, type Listing } from "./listing.ts";

/**
 * What `farcall.endpoints` offers.
 *
 * @example
 * for (const { name, state } of (await farcall.endpoints.list()).items) console.log(name, state);
 */
export type EndpointsApi = {
  list(page?: QueryOf<"listEndpoints">): Listing<EndpointView>;
  /** By id or name. */
  get(endpoint: string): Promise<ResponseOf<"getEndpoint">>;
  /** Registers an endpoint; the answer's token is for its agent and shown once. */
  create(name: string, options?: { description?: string }): Promise<ResponseOf<"createEndpoint">>;
  /** Lets it finish and take nothing new. */
  drain(endpoint: string): Promise<void>;
  /** Takes a drain back. */
  resume(endpoint: string): Promise<void>;
  /** States that its host is gone: what it held is placed again at once. */
  declareDead(endpoint: string): Promise<{ released: number }>;
  /** Deletes it; its unfinished tasks are cancelled. */
  delete(endpoint: string): Promise<{ cancelled: number }>;
};

/**
 * What `farcall.functions` offers.
 *
 * @example
 * const { items } = await farcall.functions.list({ name: "square" });
 */
export type FunctionsApi = {
  /** Newest first. */
  list(filter?: QueryOf<"listFunctions">): Listing<FunctionView>;
  /** By id, or the newest of a name. */
  get(idOrName: string): Promise<ResponseOf<"getFunction">>;
  /** Its code as text. */
  code(idOrName: string): Promise<string>;
  /** Deletes it; tasks of it that have not started fail with FUNCTION_GONE. */
  delete(id: string): Promise<void>;
};

/** Makes the API of endpoints. */
export function createEndpointsApi(http: HttpClient): EndpointsApi {
  const drain = async (endpoint: string, drained: boolean) => {
    await http.call("drainEndpoint", { params: { endpoint }, body: { drain: drained } });
  };
  return {
    list: (page = {}) => createListing(page, (query) => http.call("listEndpoints", { query })),
    get: (endpoint) => http.call("getEndpoint", { params: { endpoint } }),
    create: (name, options = {}) => http.call("createEndpoint", { body: { name, ...options } }),
    drain: (endpoint) => drain(endpoint, true),
    resume: (endpoint) => drain(endpoint, false),
    declareDead: (endpoint) => http.call("declareDead", { params: { endpoint } }),
    delete: (endpoint) => http.call("deleteEndpoint", { params: { endpoint } }),
  };
}

/** Makes the API of functions. */
export function createFunctionsApi(http: HttpClient): FunctionsApi {
  return {
    list: (filter = {}) => createListing(filter, (query) => http.call("listFunctions", { query })),
    get: (idOrName) => http.call("getFunction", { params: { function: idOrName } }),
    async code(idOrName) {
      const { bytes } = await http.read("getFunctionCode", { params: { function: idOrName } });
      return new TextDecoder().decode(bytes);
    },
    async delete(id) {
      await http.call("deleteFunction", { params: { function: id } });
    },
  };
}
