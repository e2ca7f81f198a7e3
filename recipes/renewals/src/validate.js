// The checks of before/accept.mjs. The host has checked the time.

// Returns the acceptance, or throws a list of problems.
export function validate(request) {
  const { subscription, months } = JSON.parse(request.body);
  const problems = [...check({ subscription, months })];
  if (problems.length > 0) throw problems;
  return { body: JSON.stringify({ subscription, months }) };
}

function* check({ subscription, months }) {
  if (typeof subscription !== 'string' || !/^S-\d+$/.test(subscription)) {
    yield { pointer: '/subscription', code: 'invalid', message: 'give the number of a subscription, such as S-17' };
  }
  if (!Number.isInteger(months) || months < 1 || months > 24) {
    yield { pointer: '/months', code: 'invalid', message: 'give 1 to 24 months' };
  }
}
