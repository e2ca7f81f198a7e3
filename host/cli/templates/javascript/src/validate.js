// Says yes or no to a request, before it is acknowledged.
import { get } from 'wasi:config/store@0.2.0-rc.1';

// A list of problems, thrown, is a no. An Error is a fault of the plugin, and told to its operator with its place.
export function validate(request) {
  const message = JSON.parse(request.body).message;
  const longest = Number(get('longest'));
  if (Number.isNaN(longest)) throw new Error('config `longest` is not a number: set it in use-case.toml');
  const no = (code, message) => [{ pointer: '/message', code, message }];
  if (typeof message !== 'string') throw no('invalid', 'a string is expected');
  if (message.trim() === '') throw no('required', 'say what to be reminded of');
  if ([...message.trim()].length > longest) throw no('maximum', `at most ${longest} characters`);
  // What is left out (target, triggerAt) stays as the request said.
  return { body: JSON.stringify({ message: message.trim() }) };
}
