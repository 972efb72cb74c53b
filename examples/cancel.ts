import { Farcall, TaskError } from "../sdk/index.ts";

await using farcall = new Farcall();
const count = farcall.function(
  async () => {
    for (let i = 0; ; i++) {
      console.log(`tick ${i}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  },
  { name: "count" },
);

const task = count.submit();
// Its output, as it is written.
for await (const { text } of task.follow()) {
  if (text.includes("tick")) break;
}
await task.cancel();
try {
  await task;
} catch (error) {
  console.log(error instanceof TaskError ? error.code : error);
}
