// Accepts or rejects a request before it is acknowledged: first its key, then its body.
import { get } from 'wasi:config/store@0.2.0-rc.1';

// Returns the acceptance, or throws a list of problems to reject. An Error is a fault of the plugin: the host logs it with its stack.
export function validate(request) {
  // A secret arrives under its own name, like config. Behind an authorizer, check a claim of `request.caller` instead.
  const expected = get('SECRET_CLIENT_KEY');
  const given = request.headers.find(([name]) => name === 'x-client-key')?.[1] ?? '';
  if (!expected || !isEqual(given, expected)) {
    throw [{ pointer: '', code: 'unauthorized', message: 'the header x-client-key is missing or wrong' }];
  }
  const { event } = JSON.parse(request.body);
  if (typeof event !== 'string') throw [{ pointer: '/event', code: 'invalid', message: 'a string is expected' }];
  if (event === '') throw [{ pointer: '/event', code: 'required', message: 'the event has no name' }];
  // A member that is left out (body, target, triggerAt) keeps the request's value.
  return {};
}

// Compares two keys. The time does not tell how much of a guess is right.
function isEqual(one, other) {
  let difference = one.length ^ other.length;
  for (let at = 0; at < one.length; at++) difference |= one.charCodeAt(at) ^ other.charCodeAt(at);
  return difference === 0;
}
