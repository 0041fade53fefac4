/**
 * `sluice serve`: the server, as `npm start` runs it, with flags over the environment.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { helpText } from "../HelpText.ts"

const isPort = (port: number): boolean => port >= 0 && port <= 65_535

export const serve = Command.make("serve", {
  host: Flag.String("host").pipe(
    Flag.withDescription("The address to listen on (HOST); 0.0.0.0 for every network, then set AUTH_TOKEN"),
    Flag.optional
  ),
  port: Flag.Int("port").pipe(
    Flag.withAlias("p"),
    Flag.filter(isPort, (port) => `a port from 0 to 65535, got ${port}`),
    Flag.withDescription("The port to listen on (PORT); 0 takes a free one and prints it"),
    Flag.optional
  ),
  config: Flag.String("config").pipe(
    Flag.withDescription("The file with the settings (SLUICE_CONFIG)"),
    Flag.withMetavar("FILE"),
    Flag.optional
  ),
  registry: Flag.String("registry").pipe(
    Flag.withDescription("The file that lists the models (MODEL_REGISTRY)"),
    Flag.withMetavar("FILE"),
    Flag.optional
  )
}, ({ config, host, port, registry }) => {
  const variables = {
    HOST: Option.getOrUndefined(host),
    PORT: Option.getOrUndefined(Option.map(port, String)),
    SLUICE_CONFIG: Option.getOrUndefined(config),
    MODEL_REGISTRY: Option.getOrUndefined(registry)
  }
  const given = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== undefined))
  return Effect.promise(async () => {
    const { SpareWorkers } = await import("@sluice/core/execution/SpareWorkers")
    const spares = new SpareWorkers(2)
    const { runServer } = await import("@sluice/server/RunServer")
    runServer({ env: { ...process.env, ...given }, spares })
    // The server's own signal handling ends the process, with its exit code.
  }).pipe(Effect.andThen(Effect.never))
}).pipe(
  Command.withShortDescription("Serve the models of the registry"),
  Command.withDescription(helpText(
    "Serve the models of the registry until SIGTERM or Ctrl-C, which lets requests in flight finish; a " +
      "second Ctrl-C ends at once.",
    "The same as npm start. Flags override the environment, which overrides .env, which overrides " +
      "config/sluice.yaml; sluice config shows what holds. A bad configuration, a missing file or a port " +
      "in use ends it with exit code 1 and one sentence that names what to change."
  )),
  Command.withExamples([
    { command: "sluice serve", description: "On http://localhost:8000, with config/model_registry.yaml" },
    { command: "sluice serve --port 9000 --registry my/models.yaml", description: "Other models on another port" },
    { command: "PRECISION=fp16 sluice serve", description: "Every setting has a variable: sluice config lists them" }
  ])
)
