import { pairedDifference } from '../evaluate/paired.ts';
import { scoreInterval } from '../evaluate/statistics.ts';
import type { Statistics } from '../report/statistics.ts';

/** The statistics that all reports are made with. */
export const reportStatistics: Statistics = { interval: scoreInterval, paired: pairedDifference };
