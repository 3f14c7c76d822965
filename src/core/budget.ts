/** Of one thing: what was spent, and what may be; `limit` null: no limit. */
export interface Spending {
  readonly spent: number;
  readonly limit: number | null;
}

/**
 * What the steps of a run spend: requests to models (`calls`), examples that were evaluated (`metricCalls`), prompt and completion tokens of
 * those requests, remembered or made; and the active minutes of the whole run, over all its starts.
 */
export interface BudgetState {
  readonly calls: Spending;
  readonly metricCalls: Spending;
  readonly tokens: Spending;
  readonly minutes: Spending;
}
