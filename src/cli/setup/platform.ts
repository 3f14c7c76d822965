import { InputError } from '../../core/errors.ts';

/** Node's report knows the C library; what it says of an Alpine system is nothing. */
interface SystemReport {
  readonly header: { readonly glibcVersionRuntime?: string };
}

export interface Platform {
  readonly system: string;
  readonly processor: string;
  /** The version of glibc; null where there is none. */
  readonly glibc: string | null;
}

/** Refuses a machine that torch or node-llama-cpp has no build for, before anything is fetched for it. */
export function requirePlatform({ system, processor, glibc }: Platform = thisPlatform()): void {
  const lack = lackOf(system, processor, glibc);
  if (!lack) return;
  throw new InputError('platform-unsupported', [lack.fact], lack.hint);
}

function lackOf(system: string, processor: string, glibc: string | null): { fact: string; hint: string } | null {
  if (system === 'darwin' && processor === 'x64') {
    return {
      fact: 'torch has no build for a Mac with an Intel processor.',
      hint: 'Use a Mac with Apple silicon, or Linux.',
    };
  }
  if (system !== 'linux') return null;
  const hint =
    'Use a system with glibc 2.34 or newer, such as Debian 12, Ubuntu 22.04 or the container image node:22-bookworm.';
  if (glibc === null) return { fact: 'This system has no glibc (Alpine?), which torch and node-llama-cpp need.', hint };
  const [major = 0, minor = 0] = glibc.split('.').map(Number);
  // Measured with objdump on node-llama-cpp 3.22.1: GLIBC_2.34. torch needs 2.28.
  return major > 2 || minor >= 34 ? null : { fact: `This system has glibc ${glibc}; node-llama-cpp needs 2.34.`, hint };
}

function thisPlatform(): Platform {
  // The types say `object`; the field is documented.
  const { header } = process.report.getReport() as unknown as SystemReport;
  return { system: process.platform, processor: process.arch, glibc: header.glibcVersionRuntime ?? null };
}
