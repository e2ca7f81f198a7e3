// Example validator: decides whether an order can be taken, what it costs, and who handles it.
import { get } from 'wasi:config/store@0.2.0-rc.1';

// What the shop sells, and the price of one in cents. Money is counted in whole cents: fractions round wrongly.
const PRICES = { book: 1250, pen: 300, lamp: 4900 };

// Returns the acceptance; what it throws as a list of problems is the rejection. An Error is a fault of the plugin: the host
// reports it with its message and place, and the client learns only that it was not its mistake.
export function validate(request) {
  const order = read(request.body);
  const problems = [...check(order)];
  if (problems.length > 0) throw problems;

  // An accepted body may say more than the request did: here, what the order costs.
  const body = JSON.stringify({ ...order, total: PRICES[order.item] * order.quantity, currency: required('currency') });
  // What is left out stays as the request said.
  return { body, target: order.quantity > 50 ? 'heavy' : undefined };
}

// The order, if its members are of the right types. What else the client sends is kept for the processor.
function read(body) {
  const order = JSON.parse(body);
  const invalid = (pointer, message) => [{ pointer, code: 'invalid', message }];
  for (const member of ['item', 'quantity']) {
    if (!(member in order)) throw invalid('', `missing field \`${member}\``);
  }
  if (typeof order.item !== 'string') throw invalid('/item', 'a string is expected');
  if (!Number.isSafeInteger(order.quantity) || order.quantity < 0) throw invalid('/quantity', 'a whole number is expected');
  return order;
}

// Every reason to say no, so that a client mends all at once.
function* check({ item, quantity }) {
  if (!Object.hasOwn(PRICES, item)) {
    yield { pointer: '/item', code: 'unknown-item', message: `the shop sells ${Object.keys(PRICES).join(', ')}` };
  }
  if (quantity < 1) yield { pointer: '/quantity', code: 'minimum', message: 'order one at the least' };
  if (quantity > 100) yield { pointer: '/quantity', code: 'maximum', message: 'order 100 at the most' };
}

// A value of the use case's config. That it is missing is the operator's fault and not the client's, so it is no problem
// of the request.
function required(key) {
  const value = get(key);
  if (value === undefined) throw new Error(`config \`${key}\` is missing: set it in use-case.toml`);
  return value;
}
