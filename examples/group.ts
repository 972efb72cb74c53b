import { Farcall } from "../sdk/index.ts";

const run = `run-${process.pid}`;

// One client submits and goes away without waiting.
{
  await using farcall = new Farcall();
  const cube = farcall.function((x: number) => x ** 3, { name: "cube" });
  const group = farcall.group(run);
  for (let x = 1; x <= 10; x++) group.submit(cube, x);
}

// Another, later, knows only the group's name.
await using farcall = new Farcall();
let sum = 0;
for await (const { value, error } of farcall.group(run).results<number>()) {
  if (error !== undefined) throw error;
  sum += value ?? 0;
}
console.log(`the cubes of 1 to 10 add up to ${sum}`);
