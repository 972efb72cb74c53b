import { Farcall } from "../sdk/index.ts";

await using farcall = new Farcall();
const isPrime = farcall.function(
  (n: number) => {
    for (let i = 2; i * i <= n; i++) if (n % i === 0) return false;
    return n > 1;
  },
  { name: "isPrime" },
);

function* numbers(to: number) {
  for (let n = 1; n <= to; n++) yield n;
}

// At most 500 calls are under way; results come as they end, each with the index of its item.
let primes = 0;
for await (const { value, error } of isPrime.map(numbers(5_000), { inFlight: 500 })) {
  if (error !== undefined) throw error;
  if (value) primes++;
}
console.log(`${primes} primes up to 5,000`);
