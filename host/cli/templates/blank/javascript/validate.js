// Accepts or rejects a request before it is acknowledged.

// Returns the acceptance, or throws a list of problems to reject: [{ pointer: '/member', code: 'code', message: 'a sentence' }].
// `request.body` is JSON text. An Error is a fault of the plugin: the host logs it with its stack.
export function validate(request) {
  // A member that is left out (body, target, triggerAt) keeps the request's value.
  return {};
}
