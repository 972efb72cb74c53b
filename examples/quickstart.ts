import { Farcall } from "../sdk/index.ts";

await using farcall = new Farcall();
const square = farcall.function((x: number) => x * x, { name: "square" });
console.log(await square(12));
