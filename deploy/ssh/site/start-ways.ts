/** What keeps the agent when the login ends. */
export const START_WAYS = ["systemd", "tmux", "nohup"] as const;
export type StartWay = (typeof START_WAYS)[number];
