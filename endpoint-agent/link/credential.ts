/** How a manager says who it is when it dials: its block and the block's secret, as HTTP's Basic authentication. */

/** The path that managers dial. */
export const MANAGER_PATH = "/manager";

export type Credential = { block: string; secret: string };

/** The value of the `authorization` header. */
export function authorization({ block, secret }: Credential): string {
  return `Basic ${Buffer.from(`${block}:${secret}`).toString("base64")}`;
}

/** Reads a header's value; undefined when it is none of ours. */
export function parseAuthorization(header: string | undefined): Credential | undefined {
  const encoded = /^Basic ([A-Za-z0-9+/]{1,1024}={0,2})$/.exec(header ?? "")?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 1) return undefined;
  return { block: text.slice(0, colon), secret: text.slice(colon + 1) };
}
