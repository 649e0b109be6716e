// Every bound and interval of the control plane, with its unit and reason.

/** Hosts in a hostfile: a full mesh of cables is not practical beyond four Macs. */
export const MAX_HOSTS = 4

/** A frame's body. The largest are batches of token records, far below; the bound keeps a bad length from memory. */
export const MAX_FRAME_BYTES = 64 * 1024 * 1024
/** Before the other side has proved itself: a hello with a long host name needs under 1 KiB. */
export const MAX_FRAME_BYTES_BEFORE_AUTH = 4 * 1024
/** A JSON body: it is parsed on the front's main thread, so large things travel as binary payloads. */
export const MAX_MESSAGE_BYTES = 1024 * 1024

/** Payloads are refused (backpressure) while this much waits in a connection. */
export const SEND_BUFFER_BYTES = 4 * 1024 * 1024
/** Messages are never refused; a connection whose peer lets this much pile up above the buffer is closed. */
export const SEND_OVERFLOW_BYTES = 8 * 1024 * 1024

/** Connections that have not authenticated yet; more are closed at once. */
export const MAX_PENDING_HANDSHAKES = 16
export const HANDSHAKE_TIMEOUT_MS = 5_000
export const DIAL_TIMEOUT_MS = 5_000
/** A closed connection's last bytes may take this long to leave. */
export const CLOSE_FLUSH_MS = 1_000
/** Bytes of a log line; longer ones are cut. */
export const MAX_LOG_LINE = 4_000

export const HEARTBEAT_INTERVAL_MS = 5_000
export const METRICS_INTERVAL_MS = 2_000
/** Health probes of the links, when idle. */
export const PROBE_INTERVAL_MS = 10_000
/** Three reports of a rank's metrics have been missed. */
export const DEGRADED_AFTER_MS = 6_000
/** With the tick and a report in flight a silent rank is given up within 15 s, as promised (docs/faults.md). */
export const DISCONNECTED_AFTER_MS = 12_000
/** How often silence is measured. */
export const MEMBERSHIP_TICK_MS = 1_000

/** From the start of a rank process to its hello: node starts in 0.1 s; a cold disk is slow. */
export const RANK_START_TIMEOUT_MS = 30_000
/** SIGTERM to SIGKILL. */
export const RANK_STOP_GRACE_MS = 5_000
/** From the abort of a group that has lost a rank to SIGKILL: the others free their devices meanwhile. */
export const RANK_ABORT_GRACE_MS = 3_000
/** Lines of a rank's stderr that are kept for error messages. */
export const STDERR_TAIL_LINES = 50
export const TASK_TIMEOUT_MS = 30_000

/** Waits before the second, third, ... restart in a row; the first is immediate, the last repeats. */
export const RESTART_BACKOFF_MS: readonly number[] = [0, 500, 1_000, 2_000, 5_000, 10_000, 30_000]
/** A group that lived this long begins again at the first wait. */
export const STABLE_AFTER_MS = 60_000
/** A group that had served before it died has shown that it can start: it counts as having failed so often at most. */
export const SERVING_FAILURES_MAX = 2
/** How often a rank that was left out is asked for: that takes a process on its host for a second or less. */
export const KNOCK_INTERVAL_MS = 30_000
/** How often it is looked whether nothing runs, so that a rank that is back can be taken in. */
export const RETURN_TICK_MS = 500
/** A rank whose connection broke may take this long to exit by itself, so that its exit code is known. */
export const EXIT_INFO_MS = 300
/** After the exit, for the last lines of stderr. */
export const STDERR_FLUSH_MS = 250
/** A rank process waits this long for the line on its standard input. */
export const SPEC_TIMEOUT_MS = 10_000
export const MAX_SPEC_BYTES = 64 * 1024

/** ssh gives up a connection attempt after this. */
export const SSH_CONNECT_TIMEOUT_S = 10
/** ssh asks a silent host so often, and ends after so many questions without an answer: 15 s. */
export const SSH_ALIVE_INTERVAL_S = 5
export const SSH_ALIVE_MISSES = 3
/** How often the front tells the guard of a rank on another host that it lives. */
export const GUARD_BEAT_MS = 2_000
/** A guard that hears nothing for so long ends its rank. Longer than the front may stand still for any reason. */
export const GUARD_LEASE_MS = 30_000
/** Beyond the grace of a rank on another host, for the way there and back. */
export const SSH_STOP_MS = 3_000
/** Of what a script on another host writes, so much is kept. */
export const SSH_OUTPUT_BYTES = 4 * 1024 * 1024
