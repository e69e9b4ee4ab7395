// Signs with Stripe's own library, as Stripe does. Reads a request as JSON on each line, and answers with the header.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.env.SDK}/package.json`);
const Stripe = require("stripe");
const stripe = new (Stripe.default ?? Stripe)("sk_test_of_the_tests");

for await (const line of createInterface({ input: process.stdin })) {
  const header = stripe.webhooks.generateTestHeaderString(JSON.parse(line));
  process.stdout.write(`${header}\n`);
}
