/** Something the user should know that is not an error. `code` is stable and machine-readable. */
export interface Notice {
  readonly code: string;
  readonly message: string;
}
