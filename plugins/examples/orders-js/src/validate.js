// Example validator: accepts or rejects an order, and sets its price and its target.
import { get } from 'wasi:config/store@0.2.0-rc.1';

// Price of each item, in whole cents: fractions would bring rounding errors.
const PRICES = { book: 1250, pen: 300, lamp: 4900 };

// Returns the acceptance, or throws the rejection: a list of problems. A thrown Error is a fault of the plugin. The host logs its
// message and its place in the source; the client gets neither.
export function validate(request) {
  const order = read(request.body);
  const problems = [...check(order)];
  if (problems.length > 0) throw problems;

  // The processor gets this body instead of the request's: here, with the price of the order. JSON.parse has rounded integers beyond
  // 2^53: a client that sends larger ones in other members has to send them as strings.
  const body = JSON.stringify({ ...order, total: PRICES[order.item] * order.quantity, currency: required('currency') });
  // An undefined member keeps the request's value.
  return { body, target: order.quantity > 50 ? 'heavy' : undefined };
}

// Parses the order and checks the types of the members that the rules use. Keeps other members for the processor.
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

// Yields each reason to reject the order, so that the client can correct all of them at once.
function* check({ item, quantity }) {
  if (!Object.hasOwn(PRICES, item)) {
    yield { pointer: '/item', code: 'unknown-item', message: `the shop sells ${Object.keys(PRICES).join(', ')}` };
  }
  if (quantity < 1) yield { pointer: '/quantity', code: 'minimum', message: 'order at least 1' };
  if (quantity > 100) yield { pointer: '/quantity', code: 'maximum', message: 'order at most 100' };
}

// Returns a value of the use case's config. A missing value is an Error and not a problem, since the operator has to correct it.
function required(key) {
  const value = get(key);
  if (value === undefined) throw new Error(`config \`${key}\` is missing: set it in use-case.toml`);
  return value;
}
