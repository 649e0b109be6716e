// Why a server could not start, as one line for a person and an exit code.

/** 2: something in the command or its files is wrong; 1: everything else. */
export class StartError extends Error {
  override readonly name = "StartError"
  readonly exitCode: 1 | 2

  constructor(message: string, exitCode: 1 | 2 = 2, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.exitCode = exitCode
  }
}
