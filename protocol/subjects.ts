/** The NATS subjects (DESIGN.md section 3). `endpoint` is always an endpoint's id, a UUID, so it is a safe token. */
export const GATEWAY_QUEUE = "gateways";

/** What an agent publishes, and gateways subscribe to with `*` for the endpoint. */
export const subjects = {
  /** request, queue group: an agent's start; the answer names its epoch */
  hello: (endpoint: string) => `ep.${endpoint}.hello`,
  /** publish, queue group: opens a pull; one gateway keeps it and streams batches to the work inbox */
  pull: (endpoint: string) => `ep.${endpoint}.pull`,
  /** publish, every gateway: limits and receipts of an open pull; only its holder acts */
  credit: (endpoint: string) => `ep.${endpoint}.credit`,
  /** request, queue group: results and starts; answered after the commit */
  results: (endpoint: string) => `ep.${endpoint}.results`,
  /** request, queue group: heartbeat, with a digest of the leases that the agent holds */
  state: (endpoint: string) => `ep.${endpoint}.state`,
  /** publish: live output of one task */
  log: (endpoint: string, task: string) => `ep.${endpoint}.log.${task}`,
  /** request, from a gateway to the agent */
  control: (endpoint: string) => `ep.${endpoint}.ctl`,
  /** the reply subject of a control request: inside the endpoint's own space, so no agent can answer for another */
  reply: (endpoint: string, request: string) => `ep.${endpoint}.reply.${request}`,
};

/** The inbox prefix that the agent's client uses, and the only place a gateway ever answers to. */
export const inboxPrefix = (endpoint: string) => `_INBOX_${endpoint}`;

/** Where batches of an open pull go. */
export const workInbox = (endpoint: string) => `${inboxPrefix(endpoint)}.work`;

/** The endpoint's id in a subject `ep.<endpoint>.…`, or undefined when it is none. */
export function endpointOfSubject(subject: string): string | undefined {
  const parts = subject.split(".");
  return parts[0] === "ep" ? parts[1] : undefined;
}

/** The permissions of an agent's NATS user: just its own subjects and inbox. */
export function agentPermissions(endpoint: string): { publish: string[]; subscribe: string[] } {
  return {
    publish: [
      subjects.hello(endpoint),
      subjects.pull(endpoint),
      subjects.credit(endpoint),
      subjects.results(endpoint),
      subjects.state(endpoint),
      subjects.log(endpoint, "*"),
      subjects.reply(endpoint, "*"),
    ],
    subscribe: [subjects.control(endpoint), `${inboxPrefix(endpoint)}.>`],
  };
}
