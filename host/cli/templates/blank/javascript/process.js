// Does the work when the request is due.

// Returns the result, if there is one, or throws a failure: { message: 'a sentence', retry: true } asks for another attempt.
export function process(job) {
  // The host logs each line with the correlation id. Log ids, never the customer's data.
  console.error(`processing ${job.id}, attempt ${job.attempt}`);
  // A job may run more than once, always with the same id. Use the id as the idempotency key of the work.
}
