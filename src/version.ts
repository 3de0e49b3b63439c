/** Of this software; the package's own, which a test compares. */
export const VERSION = '0.1.0';
