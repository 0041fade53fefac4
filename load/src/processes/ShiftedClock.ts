/**
 * Preloaded into a server (`--import`): its clock is `SHIFT_CLOCK_MS` milliseconds off, as on a node whose time is wrong.
 */
const shiftMs = Number(process.env["SHIFT_CLOCK_MS"] ?? 0)
const RealDate = Date
const now = (): number => RealDate.now() + shiftMs

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args: ReadonlyArray<unknown>, newTarget): object =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  apply: () => new RealDate(now()).toString(),
  get: (target, property, receiver): unknown => property === "now" ? now : Reflect.get(target, property, receiver)
})
