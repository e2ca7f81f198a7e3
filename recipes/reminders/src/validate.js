// Accepts a reminder, or rejects it with every reason at once.
import { get } from 'wasi:config/store@0.2.0-rc.1';

// Returns the acceptance, or throws a list of problems.
export function validate(request) {
  const reminder = JSON.parse(request.body);
  const problems = [...check(reminder, Number(get('longest')))];
  if (problems.length > 0) throw problems;
  // The processor gets this body. Other members are left out.
  return { body: JSON.stringify({ to: reminder.to, text: reminder.text.trim() }) };
}

function* check({ to, text }, longest) {
  if (typeof to !== 'string' || !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(to)) {
    yield { pointer: '/to', code: 'address', message: 'give an e-mail address, such as ada@example.com' };
  }
  if (typeof text !== 'string' || text.trim() === '') {
    yield { pointer: '/text', code: 'required', message: 'the reminder has no text' };
  } else if ([...text.trim()].length > longest) {
    yield { pointer: '/text', code: 'maximum', message: `at most ${longest} characters` };
  }
}
