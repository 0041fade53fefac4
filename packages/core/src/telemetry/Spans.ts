/**
 * Spans that cost nothing while tracing is off. Effect's own `withSpan` takes a stack trace and makes a span all the same,
 * 7 µs each; a request has a handful of them.
 */
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import type * as Tracer from "effect/Tracer"

type Attributes = Readonly<Record<string, string | number | boolean>>

/** Runs the effect in a span of its own, a child of the span it is in. */
export const withSpan =
  (name: string, attributes: Attributes = {}) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withFiber((fiber) =>
      fiber.getRef(References.TracerEnabled)
        ? Effect.withSpan(effect, name, { attributes, captureStackTrace: false })
        : effect
    )

/** The span that the caller is in; undefined while tracing is off, or outside of any. */
export const currentSpan: Effect.Effect<Tracer.AnySpan | undefined> = Effect.withFiber((fiber) =>
  Effect.succeed(fiber.getRef(References.TracerEnabled) ? fiber.cache.span : undefined)
)

/**
 * Runs a batch in a span that is linked to the spans of the requests it computes. It is a trace of its own: it belongs to
 * no one of them. Where none of them is sampled, it has no span.
 */
export const withBatchSpan =
  (name: string, requests: Iterable<Tracer.AnySpan | undefined>, attributes: Attributes = {}) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      const sampled = Array.from(new Set(requests)).filter((span) => span?.sampled === true)
      const links = sampled.flatMap((span) => span === undefined ? [] : [{ span, attributes: {} }])
      return links.length === 0
        ? effect
        : Effect.withSpan(effect, name, { root: true, links, attributes, captureStackTrace: false })
    })
