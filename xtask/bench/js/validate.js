// Validator of the JavaScript guest. Accepts every request.
export const validate = {
  validate(request) {
    JSON.parse(request.body);
    return { body: undefined, target: undefined, triggerAt: undefined };
  },
};
