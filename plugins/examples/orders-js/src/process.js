// Example processor: places the order and returns a receipt.

// Returns the result, or throws a failure: { message, retry, retryAfterSeconds }.
export function process(job) {
  const order = JSON.parse(job.body);
  for (const member of ['total', 'currency']) {
    // Permanent: the next attempt would get the same body.
    if (!(member in order)) throw { message: `body: missing field \`${member}\``, retry: false };
  }

  // The host logs each line with the correlation id. Log ids, never the customer's data.
  console.error(`placing order ${job.id}, attempt ${job.attempt}`);

  // A job may run more than once, for instance after a crash, always with the same id. The receipt number is made from the id, so
  // it is the same each time. A real shop would use the id as the idempotency key in its database.
  const receipt = `R-${job.id.split('-').at(-1)}`;
  return JSON.stringify({ receipt, total: order.total, currency: order.currency });
}
