/** Hexadecimal SHA-256 over the sources in the console folder `root`. */
export function sourceHash(root: string): string;
