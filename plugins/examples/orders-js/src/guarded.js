// componentize-js takes whatever is thrown for the contract's "no", and so an Error for one without a reason. But an Error
// is a fault of the plugin, and no answer: say what it is and where, and end the call.
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
