// The component's exports: both plugins in one, since each component carries a whole JavaScript engine.
import { process as processJob } from './process.js';
import { validate as validateRequest } from './validate.js';

export const validate = { validate: guarded(validateRequest) };
export const process = { process: guarded(processJob) };

// componentize-js takes whatever is thrown for the contract's "no", and so an Error for one without a reason. But an Error
// is a fault of the plugin, and no answer: say what it is and where, and end the call.
function guarded(plugin) {
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
