// Accepts or rejects a request before the host acknowledges it.
import { get } from 'wasi:config/store@0.2.0-rc.1';

// Throws a list of problems to reject the request. An Error is a failure of the plugin, which the host logs with its stack.
export function validate(request) {
  const message = JSON.parse(request.body).message;
  const longest = Number(get('longest'));
  if (Number.isNaN(longest)) throw new Error('config `longest` is not a number: set it in use-case.toml');
  const no = (code, message) => [{ pointer: '/message', code, message }];
  if (typeof message !== 'string') throw no('invalid', 'a string is expected');
  if (message.trim() === '') throw no('required', 'say what to be reminded of');
  if ([...message.trim()].length > longest) throw no('maximum', `at most ${longest} characters`);
  // Members that are left out (target, triggerAt) do not change the request.
  return { body: JSON.stringify({ message: message.trim() }) };
}
