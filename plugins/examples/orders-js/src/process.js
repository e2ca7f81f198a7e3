// Example processor: places the order and returns a receipt.

// Returns the result; what it throws as { message, retry, retryAfterSeconds } is the failure.
export function process(job) {
  const order = JSON.parse(job.body);
  for (const member of ['total', 'currency']) {
    // Permanent: the next attempt would see the same body.
    if (!(member in order)) throw { message: `body: missing field \`${member}\``, retry: false };
  }

  // Each line becomes a log line of the host with the correlation id. Log ids, never the customer's data.
  console.error(`placing order ${job.id}, attempt ${job.attempt}`);

  // A job may run more than once (a crash in the middle of it), always with the same id. A receipt number made from the id
  // is the same each time; a real shop would hand the id to its database as the key that makes placing idempotent.
  const receipt = `R-${job.id.split('-').at(-1)}`;
  return JSON.stringify({ receipt, total: order.total, currency: order.currency });
}
