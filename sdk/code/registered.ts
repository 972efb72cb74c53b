/** Functions that are registered already: called by id, or the newest of a name. */
import type { HttpClient } from "../http/client.ts";
import { type Code, nameFrom } from "./code.ts";

/** Looks the function up when it is first called; its code stays where it is. */
export function registeredCode(http: Pick<HttpClient, "call">, idOrName: string): Code {
  let found: ReturnType<Code["load"]> | undefined;
  return {
    name: nameFrom(idOrName, "function"),
    load: () => {
      if (!found) {
        found = http
          .call("getFunction", { params: { function: idOrName } })
          .then(({ id, definition }) => ({ id, definition, bytes: undefined }));
        found.catch(() => {
          found = undefined;
        });
      }
      return found;
    },
  };
}
