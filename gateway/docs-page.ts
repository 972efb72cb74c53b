/** The table of operations as one page that needs nothing from elsewhere. */
import { ERRORS } from "../protocol/errors.ts";
import { OPERATIONS, type Operation } from "../protocol/operations.ts";
import { schemaOf } from "./openapi.ts";

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.5rem}code,pre{font:13px/1.5 ui-monospace,monospace}
article{border-top:1px solid #ddd;padding:1rem 0}h3{font-size:1rem;margin:0}.method{display:inline-block;min-width:4.2em;font-weight:700}
.scope{color:#555;font-size:.85rem}pre{background:#f5f5f5;padding:.7rem;overflow-x:auto;border-radius:4px}
table{border-collapse:collapse;font-size:.9rem}td,th{text-align:left;padding:.25rem .8rem .25rem 0;vertical-align:top}
@media(prefers-color-scheme:dark){body{background:#161616;color:#e4e4e4}pre{background:#222}article{border-color:#333}.scope{color:#aaa}}`;

/** Makes the page. */
export function docsPage(version: string): string {
  const operations = Object.entries(OPERATIONS).map(([name, entry]) => article(name, entry));
  const errors = Object.entries(ERRORS).map(
    ([code, { status, what, next }]) =>
      `<tr><td><code>${code}</code></td><td>${status}</td><td>${escapeHtml(what)} ${escapeHtml(next)}</td></tr>`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Farcall HTTP API</title><style>${STYLE}</style></head><body>
<h1>Farcall HTTP API <small>${escapeHtml(version)}</small></h1>
<p>Send a token as <code>Authorization: Bearer farcall_…</code>. Errors are <code>{"error":{"code","message","next","retryable"}}</code>.
The same as OpenAPI 3.1: <a href="/openapi.json">/openapi.json</a>.</p>
<h2>Operations</h2>${operations.join("")}
<h2>Errors</h2><table><tr><th>code</th><th>status</th><th>meaning</th></tr>${errors.join("")}</table></body></html>`;
}

function article(name: string, operation: Operation): string {
  const { method, path, summary, scope, query, body, response } = operation;
  const parts = [
    ["Query", query, "input"],
    ["Body", body, "input"],
    ["Answer", response, "output"],
  ] as const;
  const schemas = parts.map(([title, schema, io]) =>
    schema
      ? `<details><summary>${title}</summary><pre>${escapeHtml(JSON.stringify(schemaOf(schema, io, {}), null, 2))}</pre></details>`
      : "",
  );
  const who = scope === null ? "no token needed" : `scope: ${scope.join(" or ")}`;
  return `<article id="${name}"><h3><span class="method">${method}</span><code>${escapeHtml(path)}</code></h3>
<p>${escapeHtml(summary)} <span class="scope">${name}; ${who}</span></p>${schemas.join("")}</article>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
