// BullMQ is a library, so this program is both its client and its worker:
//   node bullmq.mjs work PORT EXPECTED
//   node bullmq.mjs post PORT CONNECTIONS COMMANDS
// A command of COMMANDS, a JSON array, is { seconds, at } to post jobs that are due at `at`, or { count, at, span } to post `count`
// jobs that are due from `at` on, evenly over `span` ms. Prints a line for each: { elapsed, latencies }, in milliseconds.
import { Queue, Worker } from 'bullmq';
import IORedis from 'ioredis';
import { recorder } from './lateness.mjs';

const [role, port, ...rest] = process.argv.slice(2);
const connect = () => new IORedis({ host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null });

if (role === 'work') {
  const record = recorder(Number(rest[0]));
  const run = async (job) => record(job.data, Date.parse(job.data.triggerAt));
  const worker = new Worker('jobs', run, { connection: connect(), concurrency: 64 });
  await worker.waitUntilReady();
  console.log('ready');
} else {
  const connections = Array.from({ length: Number(rest[0]) }, connect);
  const queues = connections.map((connection) => new Queue('jobs', { connection }));
  await Promise.all(queues.map((queue) => queue.waitUntilReady()));
  for (const command of JSON.parse(rest[1])) console.log(JSON.stringify(await post(queues, command)));
  await Promise.all(connections.map((connection) => connection.quit()));
}

async function post(queues, { seconds, count = Infinity, at, span = 0 }) {
  const latencies = [];
  const started = performance.now();
  const end = seconds === undefined ? Infinity : started + seconds * 1000;
  let number = 0;
  const client = async (queue) => {
    while (number < count && performance.now() < end) {
      const due = at + Math.floor((span / count) * number);
      const body = order(due, number++);
      const sent = performance.now();
      await queue.add('job', body, { delay: due - Date.now(), removeOnComplete: true });
      latencies.push(Math.round((performance.now() - sent) * 1000) / 1000);
    }
  };
  await Promise.all(queues.map(client));
  return { elapsed: performance.now() - started, latencies };
}

// Returns the body that the benchmark posts to the others.
function order(due, number) {
  const customer = `c-${String(number).padStart(8, '0')}`;
  const note = 'leave it with the neighbours if nobody is at home';
  return { triggerAt: new Date(due).toISOString(), order: { number, item: 'paperback', quantity: 3, customer, note }, gift: true };
}
