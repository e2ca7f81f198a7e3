// The validator of the measures with a JavaScript guest: accepts every request.
export const validate = {
  validate(request) {
    JSON.parse(request.body);
    return { body: undefined, target: undefined, triggerAt: undefined };
  },
};
