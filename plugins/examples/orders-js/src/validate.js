// Example validator: accepts or rejects an order, and computes its price and its target.
import { get } from 'wasi:config/store@0.2.0-rc.1';

// Items of the shop, with the price of one in cents. Amounts are whole cents, since fractions have rounding errors.
const PRICES = { book: 1250, pen: 300, lamp: 4900 };

// Returns the acceptance, or throws a list of problems as the rejection. An Error is a failure of the plugin: the host reports
// its message and stack, and the client gets a server error.
export function validate(request) {
  const order = read(request.body);
  const problems = [...check(order)];
  if (problems.length > 0) throw problems;

  // An accepted body may have more members than the request: here, the price.
  const body = JSON.stringify({ ...order, total: PRICES[order.item] * order.quantity, currency: required('currency') });
  // Members of the acceptance that are left out do not change the request.
  return { body, target: order.quantity > 50 ? 'heavy' : undefined };
}

// Returns the order, or throws the problem of a member with a wrong type. Keeps other members for the processor.
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

// Yields every problem, so that a client can correct all at once.
function* check({ item, quantity }) {
  if (!Object.hasOwn(PRICES, item)) {
    yield { pointer: '/item', code: 'unknown-item', message: `the shop sells ${Object.keys(PRICES).join(', ')}` };
  }
  if (quantity < 1) yield { pointer: '/quantity', code: 'minimum', message: 'order one at the least' };
  if (quantity > 100) yield { pointer: '/quantity', code: 'maximum', message: 'order 100 at the most' };
}

// Returns a value of the use case's config. A missing value is an error of the operator, not a problem of the request.
function required(key) {
  const value = get(key);
  if (value === undefined) throw new Error(`config \`${key}\` is missing: set it in use-case.toml`);
  return value;
}
