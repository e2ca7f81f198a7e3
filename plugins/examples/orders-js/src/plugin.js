// Exports both plugins from one component, since each component contains a whole JavaScript engine.
import { guarded } from './guarded.js';
import { process as processJob } from './process.js';
import { validate as validateRequest } from './validate.js';

export const validate = { validate: guarded(validateRequest) };
export const process = { process: guarded(processJob) };
