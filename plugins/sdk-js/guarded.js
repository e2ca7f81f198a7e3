// componentize-js turns each thrown value into the contract's error: a thrown Error would become a rejection without a reason.
// A validator answers by throwing a list of problems, and a processor by throwing a failure. Anything else that is thrown is a fault
// of the plugin, not an answer. Logs it with its stack, and ends the call with a trap.
export function guarded(plugin) {
  return async (input) => {
    try {
      return await plugin(input);
    } catch (thrown) {
      if (isAnswer(thrown, 'attempt' in input)) throw thrown;
      const { name, message, stack } = thrown instanceof Error ? thrown : new Error(`thrown is no answer: ${inspect(thrown)}`);
      console.error(`${name}: ${message}\nStack:\n${stack}`);
      throw null;
    }
  };
}

function isAnswer(thrown, isJob) {
  if (thrown instanceof Error) return false;
  return isJob ? typeof thrown?.message === 'string' : Array.isArray(thrown) && thrown.length > 0;
}

function inspect(thrown) {
  try {
    return JSON.stringify(thrown) ?? String(thrown);
  } catch {
    return typeof thrown;
  }
}
