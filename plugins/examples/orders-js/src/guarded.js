// componentize-js converts a thrown value to the contract's rejection or failure, and an Error to an empty one. An Error is a
// failure of the plugin, not an answer: this wrapper logs its message and stack, and ends the call with a trap.
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
