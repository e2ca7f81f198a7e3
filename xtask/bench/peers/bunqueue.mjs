// A worker of bunqueue: bun bunqueue.mjs PORT EXPECTED.
import { Worker } from 'bunqueue/client';
import { recorder } from './lateness.mjs';

const [port, expected] = process.argv.slice(2).map(Number);
const record = recorder(expected);
const run = async (job) => record(job.data, job.timestamp + job.delay);
const worker = new Worker('jobs', run, { connection: { host: '127.0.0.1', port }, concurrency: 64 });
await worker.waitUntilReady();
console.log('ready');
