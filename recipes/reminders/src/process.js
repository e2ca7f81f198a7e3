// Sends a reminder through the provider's API.
import { get } from 'wasi:config/store@0.2.0-rc.1';
import { read } from './http.js';

// Returns the provider's id of the message, or throws a failure.
export async function process(job) {
  const answer = await fetch(get('url'), {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-api-key': get('SECRET_PROVIDER_KEY'),
      // The same at every attempt: a message that was sent just before a crash is not sent again.
      'idempotency-key': job.id,
    },
    body: job.body,
  });
  if (answer.ok) return JSON.stringify({ message: await idOf(answer) });
  const message = `the provider answered ${answer.status}`;
  const canMend = [408, 425, 429].includes(answer.status) || answer.status >= 500;
  throw { message, retry: canMend, retryAfterSeconds: canMend ? seconds(answer.headers.get('retry-after')) : undefined };
}

// Returns the id in the answer. The message is sent, whatever the answer's body is, so an unreadable one is no failure.
async function idOf(answer) {
  try {
    return JSON.parse((await read(answer)).body).id ?? null;
  } catch {
    return null;
  }
}

// Returns the seconds of a header Retry-After, which is a number or a date. Without them, the back-off alone counts.
function seconds(header) {
  const text = header ?? '';
  if (/^\d{1,6}$/.test(text)) return Number(text);
  const left = Math.ceil((Date.parse(text) - Date.now()) / 1000);
  return left > 0 ? left : undefined;
}
