// Numbers as people read them. English, with a thin set of units; an absent or broken number is a dash.

const ABSENT = "–"
const SECONDS_PER_MINUTE = 60
const SECONDS_PER_HOUR = 3600
const SECONDS_PER_DAY = 86_400

type Maybe = number | null | undefined

const isNumber = (value: Maybe): value is number => typeof value === "number" && Number.isFinite(value)

/** Kept, because making one takes longer than writing a hundred numbers with it. */
const formats = new Map<number, Intl.NumberFormat>()

function write(value: number, digits: number): string {
  let format = formats.get(digits)
  if (format === undefined) {
    format = new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })
    formats.set(digits, format)
  }
  return format.format(value)
}

/** 182947 -> "182,947". */
export function count(value: Maybe): string {
  return isNumber(value) ? write(Math.round(value), 0) : ABSENT
}

/** A number with a fixed count of decimals: (62.31, 1) -> "62.3". */
export function decimal(value: Maybe, digits: number): string {
  return isNumber(value) ? write(value, digits) : ABSENT
}

/** A rate: one decimal below 100, none above. */
export function rate(value: Maybe): string {
  return decimal(value, isNumber(value) && value >= 100 ? 0 : 1)
}

/** Gigabytes without a unit: two decimals below 10, one above. */
export function gigabytes(value: Maybe): string {
  return decimal(value, isNumber(value) && value < 10 ? 2 : 1)
}

/** Share 0..1 -> "78%". */
export function percent(share: Maybe): string {
  return isNumber(share) ? `${Math.round(share * 100)}%` : ABSENT
}

/** Seconds -> "2h 14m", the two largest units that are not zero. */
export function duration(seconds: Maybe): string {
  if (!isNumber(seconds) || seconds < 0) return ABSENT
  const whole = Math.floor(seconds)
  const days = Math.floor(whole / SECONDS_PER_DAY)
  const hours = Math.floor((whole % SECONDS_PER_DAY) / SECONDS_PER_HOUR)
  const minutes = Math.floor((whole % SECONDS_PER_HOUR) / SECONDS_PER_MINUTE)
  const rest = whole % SECONDS_PER_MINUTE
  if (days > 0) return `${days}d ${hours}h`
  if (hours > 0) return `${hours}h ${minutes}m`
  if (minutes > 0) return `${minutes}m ${rest}s`
  return `${rest}s`
}

/** Seconds since something -> "3s ago", "just now". */
export function ago(seconds: Maybe): string {
  if (!isNumber(seconds)) return "never"
  return seconds < 1 ? "just now" : `${duration(seconds)} ago`
}

/** Milliseconds -> "26 ms" or "2.06 s". */
export function milliseconds(value: Maybe): string {
  if (!isNumber(value)) return ABSENT
  return value < 1000 ? `${decimal(value, value < 10 ? 1 : 0)} ms` : `${decimal(value / 1000, 2)} s`
}

/** Unix milliseconds -> ISO 8601 in UTC; the page shows it in the reader's own time zone. */
export function isoTime(unixMs: number): string {
  const date = new Date(unixMs)
  return Number.isNaN(date.getTime()) ? "" : date.toISOString()
}

/** Unix milliseconds -> "14:23:01" in UTC, what a reader without scripts sees. */
export function clockTime(unixMs: number): string {
  return isoTime(unixMs).slice(11, 19) || ABSENT
}
