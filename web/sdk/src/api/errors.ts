import type { ErrorJson } from "../gen/peal_pb";
import type { PealErrorCode, PealErrorLike } from "./types";

/** A typed failure: `code` is stable, `message` says what to do. */
export class PealError extends Error implements PealErrorLike {
  /** Always PealError. */
  override readonly name = "PealError";
  /** What failed, for programs. */
  readonly code: PealErrorCode;
  /** Whether the same request may succeed later, unchanged. */
  readonly retry: boolean;

  /** For those who make such errors of their own, in tests. */
  constructor(code: PealErrorCode, message: string, retry = false) {
    super(message);
    this.code = code;
    this.retry = retry;
  }

  /** What the server said. */
  static from(e: ErrorJson): PealError {
    return new PealError(
      e.code ?? "internal",
      e.message ?? "the server gave no reason",
      e.retry ?? false,
    );
  }

  /** What was thrown, as a PealError. */
  static of(e: unknown): PealError {
    return e instanceof PealError
      ? e
      : new PealError("internal", e instanceof Error ? e.message : String(e));
  }
}
