/**
 * Names that nobody gives twice: traces, and keys under which a request may be repeated.
 *
 * Random in every bit. A UUID would not do as a trace id: its fixed bits defeat sampling by ratio.
 */

/**
 * Random bytes in hexadecimal.
 *
 * @param {number} bytes
 * @param {() => number} [random]
 * @returns {string}
 */
export function hex(bytes, random = Math.random) {
  let text = '';
  for (let i = 0; i < bytes; i++) {
    text += Math.floor(random() * 256)
      .toString(16)
      .padStart(2, '0');
  }
  return text;
}

/**
 * A trace of our own, sampled: its id, and the header that makes a request part of it (W3C Trace Context).
 *
 * @param {() => number} [random]
 * @returns {{ traceId: string, traceparent: string }}
 */
export function newTrace(random = Math.random) {
  const traceId = notZero(hex(16, random));
  return { traceId, traceparent: `00-${traceId}-${notZero(hex(8, random))}-01` };
}

/**
 * A key for one submission and its repetitions.
 *
 * @param {() => number} [random]
 * @returns {string}
 */
export function newKey(random = Math.random) {
  return `loadtest-${hex(16, random)}`;
}

/** An id of zeros alone is invalid. @param {string} id */
function notZero(id) {
  return /^0+$/.test(id) ? `${id.slice(1)}1` : id;
}
