/** How much memory a process needed. */
import { readFileSync } from 'node:fs';

/** The most memory this process ever held, in 10⁶ bytes; getrusage would count what was held before exec, too. */
export function peakMegabytes(): number {
  const line = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))!;
  return (Number(line[1]) * 1024) / 1e6;
}
