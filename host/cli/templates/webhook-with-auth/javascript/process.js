// Sends the accepted body to the webhook when the request is due.
import { get } from 'wasi:config/store@0.2.0-rc.1';

// Returns the result, or throws a failure. With `retry: true` the failure asks for another attempt.
export async function process(job) {
  const headers = {
    'content-type': 'application/json',
    authorization: `Bearer ${get('SECRET_WEBHOOK_TOKEN')}`,
    // A job may run more than once, always with the same id: the receiver can recognise a repetition.
    'idempotency-key': job.id,
  };
  // A connection that fails ends the call, and the attempt is repeated. The answer's body is not read: its status says all.
  const { status, headers: answered } = await fetch(get('url'), { method: 'POST', headers, body: job.body });
  if (status >= 200 && status < 300) return JSON.stringify({ status });
  // A failure shows the status only: the webhook's text may repeat the token.
  const message = `the webhook answered ${status}`;
  if (![408, 425, 429].includes(status) && status < 500) throw { message, retry: false };
  // Seconds only: after a date, the wait is that of [retry].
  const wait = answered.get('retry-after') ?? '';
  throw { message, retry: true, retryAfterSeconds: /^\d{1,6}$/.test(wait) ? Number(wait) : undefined };
}
