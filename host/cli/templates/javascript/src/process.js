// Does the work, at the request's time.

// A failure, thrown, is a no; `retry: true` would ask for another attempt.
export function process(job) {
  const message = JSON.parse(job.body).message;
  if (typeof message !== 'string') throw { message: 'the body has no message', retry: false };
  // Each line is a log line of the host with the correlation id. It is kept: log ids, never the customer's data.
  console.error(`reminding of ${job.id}, attempt ${job.attempt}`);
  // A job may run more than once, always with the same id: hand it on as the key that makes the work idempotent.
  return JSON.stringify({ reminded: message, attempt: job.attempt });
}
