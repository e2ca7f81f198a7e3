// Does the work at the trigger time of the request.

// Throws a failure; with `retry: true`, the host makes another attempt.
export function process(job) {
  const message = JSON.parse(job.body).message;
  if (typeof message !== 'string') throw { message: 'the body has no message', retry: false };
  // The host logs each line with the correlation id, and keeps its log. Log ids, never data of a customer.
  console.error(`reminding of ${job.id}, attempt ${job.attempt}`);
  // A job may run more than once, always with the same id: use it as the key that makes the work idempotent.
  return JSON.stringify({ reminded: message, attempt: job.attempt });
}
