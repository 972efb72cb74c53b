/** What the agent says to gateways, as messages on its subjects. */
import type { ResultsHeader } from "../protocol/batch.ts";
import { encodeFrame } from "../protocol/frame.ts";
import type { Credit, Heartbeat, HeartbeatAnswer, Pull, ResultsAnswer } from "../protocol/messages.ts";
import { subjects } from "../protocol/subjects.ts";
import type { Connection } from "./connection.ts";

export type GatewayWire = {
  pull(message: Pull): void;
  credit(message: Credit): void;
  /** Rejects when there is no answer. */
  results(header: ResultsHeader, chunks: Uint8Array[]): Promise<ResultsAnswer>;
  heartbeat(heartbeat: Heartbeat): Promise<HeartbeatAnswer>;
};

const RESULTS_ANSWER_MS = 5_000;
const HEARTBEAT_ANSWER_MS = 8_000;

/** The endpoint's subjects over one connection. */
export function createGatewayWire(connection: Connection, endpoint: string): GatewayWire {
  const to = {
    pull: subjects.pull(endpoint),
    credit: subjects.credit(endpoint),
    results: subjects.results(endpoint),
    state: subjects.state(endpoint),
  };
  return {
    pull: (message) => connection.publish(to.pull, encodeFrame(message)),
    credit: (message) => connection.publish(to.credit, encodeFrame(message)),
    async results(header, chunks) {
      return (await connection.request(to.results, encodeFrame(header, chunks), RESULTS_ANSWER_MS)) as ResultsAnswer;
    },
    async heartbeat(heartbeat) {
      return (await connection.request(to.state, encodeFrame(heartbeat), HEARTBEAT_ANSWER_MS)) as HeartbeatAnswer;
    },
  };
}
