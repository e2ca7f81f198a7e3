// componentize-js turns each thrown value into the contract's error: a thrown Error would become a rejection without a reason.
// But an Error is a fault of the plugin, not an answer. Logs it with its stack, and ends the call with a trap.
export function guarded(plugin) {
  return async (input) => {
    try {
      return await plugin(input);
    } catch (thrown) {
      if (!(thrown instanceof Error)) throw thrown;
      console.error(`${thrown.name}: ${thrown.message}\nStack:\n${thrown.stack}`);
      throw null;
    }
  };
}
