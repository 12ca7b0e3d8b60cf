/** The library's version, as in package.json; saved models name it. */
export const VERSION = '0.1.0';
