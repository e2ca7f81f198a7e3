// Accepts or rejects a request before it is acknowledged.
import { get } from 'wasi:config/store@0.2.0-rc.1';

// Returns the acceptance, or throws a list of problems to reject. An Error is a fault of the plugin: the host logs it with its stack.
export function validate(request) {
  const message = JSON.parse(request.body).message;
  const longest = Number(get('longest'));
  if (Number.isNaN(longest)) throw new Error('config `longest` is not a number: set it in use-case.toml');
  const problem = (code, message) => [{ pointer: '/message', code, message }];
  if (typeof message !== 'string') throw problem('invalid', 'a string is expected');
  if (message.trim() === '') throw problem('required', 'the message is empty');
  if ([...message.trim()].length > longest) throw problem('maximum', `at most ${longest} characters`);
  // A member that is left out (target, triggerAt) keeps the request's value.
  return { body: JSON.stringify({ message: message.trim() }) };
}
