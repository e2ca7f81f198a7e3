// The work of before/renew.mjs. There is no rule to delete.
import { get } from 'wasi:config/store@0.2.0-rc.1';
import { read } from './http.js';

// Returns the invoice, or throws a failure.
export async function process(job) {
  const answer = await fetch(get('url'), {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${get('SECRET_BILLING_TOKEN')}`,
      // New: a second attempt after a crash bills nobody twice.
      'idempotency-key': job.id,
    },
    body: job.body,
  });
  // New: a refusal is not repeated.
  if (!answer.ok) throw { message: `billing answered ${answer.status}`, retry: answer.status >= 500 || answer.status === 429 };
  return (await read(answer)).body;
}
