// What k6 has beside the language, and @types/k6 leaves to the types of browsers.
declare const console: Record<'error' | 'info' | 'warn', (message: string) => void>;
