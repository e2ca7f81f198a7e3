// node componentize.mjs SOURCE WIT_DIRECTORY OUT: a component of the world `validator`.
import { readFileSync, writeFileSync } from 'node:fs';
import { componentize } from '@bytecodealliance/componentize-js';

const [source, witPath, out] = process.argv.slice(2);
const { component } = await componentize(readFileSync(source, 'utf8'), { witPath, worldName: 'validator', disableFeatures: ['http', 'fetch-event'] });
writeFileSync(out, component);
