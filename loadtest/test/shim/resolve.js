/** @type {import('node:module').ResolveHook} */
export async function resolve(specifier, context, next) {
  const ours = /^k6(?:\/(\w+))?$/.exec(specifier);
  return ours === null
    ? next(specifier, context)
    : {
        url: new URL(`./k6${ours[1] === undefined ? '' : `-${ours[1]}`}.js`, import.meta.url).href,
        shortCircuit: true,
      };
}
