/** Makes `import … from 'k6…'` find the stand-ins of this folder: `node --import ./register.js …`. */
import { register } from 'node:module';

register('./resolve.js', import.meta.url);
