/** Functions: register, look up, delete. */
import { hash } from "node:crypto";
import { badField } from "../../protocol/batch.ts";
import { ApiError } from "../../protocol/errors.ts";
import { definitionText, FunctionDefinition, type FunctionView } from "../../protocol/function.ts";
import { OPERATIONS, type OperationName } from "../../protocol/operations.ts";
import { FunctionId } from "../../protocol/task.ts";
import { type Actor, authorize, isAdmin, notFound, ownerFilter } from "../auth/authorize.ts";
import type { Gateway } from "../gateway.ts";
import { type Call, type Handlers, param } from "./call.ts";
import { pageOptions } from "./page.ts";
import { parseWith } from "./parse.ts";

type Routes = Pick<
  Handlers,
  "registerFunction" | "listFunctions" | "getFunction" | "getFunctionCode" | "deleteFunction"
>;
type Registration = Call<"registerFunction">["body"];

/** The handlers of the theme. */
export function functionRoutes({ store, dispatcher }: Gateway): Routes {
  /** The function if the actor may see it: its own, and for an agent one that a task at its endpoint names. */
  async function visible(actor: Actor, action: OperationName, idOrName: string): Promise<FunctionView> {
    if (actor.endpoint !== null) return ofAgent(actor, action, idOrName);
    const own = await store.getFunction(idOrName, actor.owner);
    const found = own ?? (isAdmin(actor) ? await store.getFunction(idOrName, null) : undefined);
    if (!found) throw notFound("function", idOrName);
    authorize(actor, action, { kind: "function", name: idOrName, owner: found.owner });
    return found;
  }

  async function ofAgent(actor: Actor, action: OperationName, id: string): Promise<FunctionView> {
    const endpoint = actor.endpoint as string;
    const { items } = await store.listTasks({ owner: null, endpoint, function: id, order: "newest", limit: 1 });
    const found = items[0] && (await store.getFunction(id, null));
    if (!found) throw notFound("function", id);
    authorize(actor, action, { kind: "function", name: id, owner: found.owner, endpoint: items[0]?.endpoint ?? "" });
    return found;
  }

  return {
    registerFunction: async (call) => {
      const { registration, code } = readRegistration(call);
      // A name that looks like an id could stand in for the function of that id.
      if (FunctionId.safeParse(registration.name).success)
        throw badField("body.name", registration.name, "a name that is no id");
      const definition = { ...registration.definition, code: hash("sha256", code, "hex") };
      if (registration.definition.code !== undefined && registration.definition.code !== definition.code) {
        throw badField(
          "body.definition.code",
          registration.definition.code,
          `the SHA-256 of the code, ${definition.code}`,
        );
      }
      const id = hash("sha256", definitionText(FunctionDefinition.parse(definition)), "hex");
      call.target = `function ${registration.name} ${id}`;
      return store.putFunction({ owner: call.actor.owner, name: registration.name, id, definition, code });
    },
    listFunctions: ({ actor, query }) =>
      store.listFunctions(ownerFilter(actor), {
        ...pageOptions(query),
        ...(query.name === undefined ? {} : { name: query.name }),
      }),
    getFunction: (call) => visible(call.actor, "getFunction", param(call, "function")),
    getFunctionCode: async (call) => {
      const { id } = await visible(call.actor, "getFunctionCode", param(call, "function"));
      const code = await store.functionCode(id);
      if (!code) throw notFound("function", id);
      // The code of an id never changes: the id is its hash.
      const headers = {
        "content-type": "application/octet-stream",
        "cache-control": "private, immutable, max-age=31536000",
      };
      return new Response(code as Uint8Array<ArrayBuffer>, { headers });
    },
    deleteFunction: async (call) => {
      const { id, owner } = await visible(call.actor, "deleteFunction", param(call, "function"));
      const { deleted } = await store.deleteFunction(id, owner, dispatcher.apply);
      return { ok: deleted };
    },
  };
}

function readRegistration(call: Call<"registerFunction">): { registration: Registration; code: Uint8Array } {
  if (!call.frame) {
    if (call.body.code === undefined) throw badField("body.code", undefined, "the function's code");
    return { registration: call.body, code: Buffer.from(call.body.code) };
  }
  const registration = parseWith(OPERATIONS.registerFunction.body, call.frame.header, "header") as Registration;
  if (registration.code !== undefined) {
    throw new ApiError("BAD_REQUEST", "header.code is given; in a frame the code's bytes are the body");
  }
  return { registration, code: call.frame.body };
}
