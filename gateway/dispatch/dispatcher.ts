/** Moves tasks between the store and the agents (PROTOCOL.md rules 4 to 12, 16, 17): composes what does each part of it. */
import type { Logger } from "pino";
import type { Dispatcher, EventHub } from "../ports.ts";
import type { Effects, Handout, Store } from "../store/port.ts";
import type { Wire } from "../wire/wire.ts";
import { createAgents } from "./agents.ts";
import { announce } from "./announce.ts";
import { type Clock, systemClock } from "./clock.ts";
import { createControls } from "./control.ts";
import { createHeartbeats } from "./heartbeat.ts";
import { createHello } from "./hello.ts";
import { createKills } from "./kills.ts";
import { createLogs } from "./logs.ts";
import { createPullHandler } from "./open-pulls.ts";
import { createPopper } from "./popper.ts";
import { createPulls, type PullState } from "./pulls.ts";
import { createRefusals } from "./refusals.ts";
import { createResults } from "./results.ts";
import { createSender } from "./sender.ts";
import { createSubmit } from "./submit.ts";
import { startTicker } from "./ticker.ts";
import { createWaitingCounts } from "./waiting.ts";

export type DispatcherOptions = {
  store: Store;
  hub: EventHub;
  wire: Wire;
  log: Logger;
  clock?: Clock;
};

/** How long an agent may take to say that it drains. */
const DRAIN_WITHIN_MS = 10_000;

/** Makes the dispatcher of one gateway and starts to listen. */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { store, hub, wire, log, clock = systemClock } = options;
  const agents = createAgents(clock);
  const refusals = createRefusals(log, clock);
  const controls = createControls({ wire, agents, refusals, clock, log });
  const kills = createKills(controls);
  const logs = createLogs({ wire, controls, refusals });
  const pulls = createPulls({
    connected: wire.connected,
    inDoubt: (endpoint) => sender.inDoubt(endpoint),
    freed: (state) => popper.want(state),
  });

  const send = (handouts: readonly Handout[]) => {
    if (handouts.length > 0) sender.send(handouts);
  };
  const counted = (state: PullState) => waiting.changed(state);
  const apply = ({ events, kills: toKill, queued }: Effects) => {
    if (events.length > 0) {
      hub.publish(events);
      logs.started(events);
    }
    kills.add(toKill);
    for (const endpoint of queued) {
      const state = pulls.get(endpoint);
      if (state) newlyQueued(state);
    }
  };
  const newlyQueued = (state: PullState) => {
    state.queued = true;
    if (state.room.some() && pulls.ready(state)) popper.want(state);
    else counted(state);
  };
  const settled = (endpoint: string) => {
    const state = pulls.get(endpoint);
    if (state) popper.want(state);
  };

  const sender = createSender({ store, wire, pulls, controls, clock, log, apply, settled });
  const waiting = createWaitingCounts({ store, wire, pulls, clock, log });
  const popper = createPopper({ store, pulls, clock, log, send, apply, counted });
  const submit = createSubmit({ store, pulls, send, apply });
  const pullHandler = createPullHandler({ store, wire, agents, pulls, popper, sender, controls, refusals, log });
  const { heard } = agents;
  const results = createResults({ store, wire, pulls, popper, refusals, log, heard, send, apply, counted });
  const superseded = (endpoint: string, epoch: number) => {
    const state = pulls.get(endpoint);
    if (state && state.epoch < epoch) pullHandler.end(state, "superseded");
    controls.newEpoch(endpoint, epoch);
    logs.remind(endpoint);
    void remindOfDraining(endpoint, epoch);
  };
  const hello = createHello({ store, wire, agents, controls, refusals, log, superseded });
  const gone = (endpoint: string) => {
    const state = pulls.get(endpoint);
    if (state) pulls.close(state);
    controls.newEpoch(endpoint, Number.POSITIVE_INFINITY);
    agents.forget(endpoint);
  };
  const { onTheWay } = sender;
  const heartbeats = createHeartbeats({ store, wire, agents, clock, refusals, log, apply, onTheWay, gone });
  const ticker = startTicker({ pulls, agents, wire, sender, popper, waiting, controls, clock });

  async function remindOfDraining(endpoint: string, epoch: number): Promise<void> {
    const row = await store.getEndpoint(endpoint).catch(() => undefined);
    if (row?.draining) await controls.ask(endpoint, { kind: "drain", drain: true }, { epoch });
  }

  let announced = false;
  const announceOnce = () => {
    if (announced) return;
    announced = true;
    const pulled = (endpoint: string) => pulls.get(endpoint) !== undefined;
    announce({ store, controls, pulled }).catch((err) =>
      log.warn({ err }, "not all agents were told that this gateway is there"),
    );
  };

  wire.listen({
    hello: hello.handle,
    results: results.handle,
    state: heartbeats.handle,
    pull: pullHandler.pull,
    credit: pullHandler.credit,
    reply: controls.reply,
    refused: refusals.refuse,
    up() {
      announceOnce();
      for (const state of pulls.all()) {
        sender.ask(state, 0);
        popper.want(state);
      }
    },
    down() {},
  });
  if (wire.connected()) announceOnce();

  return {
    submit,
    apply,
    status: agents.status,
    async drain(endpoint, drain) {
      if (!agents.status(endpoint).online) return;
      await controls.ask(endpoint, { kind: "drain", drain }, { epoch: 0, withinMs: DRAIN_WITHIN_MS });
    },
    watchLog: logs.watch,
    connected: wire.connected,
    counts() {
      const open = [...pulls.all()];
      return {
        openPulls: open.length,
        unreceiptedBatches: open.reduce((sum, { unreceipted }) => sum + unreceipted.length, 0),
        unreceiptedBytes: open.reduce((sum, { unreceiptedBytes }) => sum + unreceiptedBytes, 0),
        refused: refusals.count(),
      };
    },
    async stop() {
      wire.deafen();
      ticker.stop();
      heartbeats.stop();
      for (const state of pulls.all()) pullHandler.end(state, "shutdown");
      controls.stop();
      await results.idle();
      await wire.close();
    },
  };
}
