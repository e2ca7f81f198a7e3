// The service that Restate calls: node restate.mjs PORT EXPECTED.
import { recorder } from './lateness.mjs';

// The SDK needs it; Node.js 20 does not have it.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new this((one, other) => ([resolve, reject] = [one, other]));
  return { promise, resolve, reject };
};
const { serve, service } = await import('@restatedev/restate-sdk');

const [port, expected] = process.argv.slice(2).map(Number);
const record = recorder(expected);
const jobs = service({ name: 'jobs', handlers: { run: async (_context, body) => record(body) } });
await serve({ services: [jobs], port });
console.log('ready');
