// Does the work when the request is due.

// Returns the result, or throws a failure. With `retry: true` the failure asks for another attempt.
export function process(job) {
  const message = JSON.parse(job.body).message;
  if (typeof message !== 'string') throw { message: 'the body has no message', retry: false };
  // The host logs each line with the correlation id. Log ids, never the customer's data.
  console.error(`reminding of ${job.id}, attempt ${job.attempt}`);
  // A job may run more than once, always with the same id. Use the id as the idempotency key of the work.
  return JSON.stringify({ reminded: message, attempt: job.attempt });
}
