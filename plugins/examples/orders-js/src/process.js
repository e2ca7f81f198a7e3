// Example processor: returns a receipt for the order.

// Returns the result, or throws { message, retry, retryAfterSeconds } as the failure.
export function process(job) {
  const order = JSON.parse(job.body);
  for (const member of ['total', 'currency']) {
    // Permanent, since the next attempt has the same body.
    if (!(member in order)) throw { message: `body: missing field \`${member}\``, retry: false };
  }

  // The host logs each line with the correlation id. Log ids, never data of a customer.
  console.error(`placing order ${job.id}, attempt ${job.attempt}`);

  // A job may run more than once, for example after a crash, always with the same id. The receipt number is derived from the
  // id, so it is the same in each run. A real shop would store the id as a unique key, which makes the order idempotent.
  const receipt = `R-${job.id.split('-').at(-1)}`;
  return JSON.stringify({ receipt, total: order.total, currency: order.currency });
}
