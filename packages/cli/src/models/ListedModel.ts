/**
 * A model version as `sluice models` lists it, from a running server or from the registry file; and the table of them.
 */
import type { ModelInfo } from "@sluice/domain/ModelInfo"
import { cell, renderTable } from "../Table.ts"

/** What the registry file says: nothing runs, so there is no state, but the file is known. */
export interface RegisteredModel extends Omit<ModelInfo, "state" | "plugin"> {
  /** Undefined for a version that is retired, or refused. */
  readonly plugin?: string
  readonly file: string
  /** Why a server that is started with this registry would end. */
  readonly refused?: string
}

const named = (model: { readonly model_id: string; readonly default: boolean }): string =>
  `${model.model_id}${model.default ? " (default)" : ""}`

const widest = 90

/** Of a running server. */
export const renderServed = (models: ReadonlyArray<ModelInfo>): string =>
  renderTable(
    ["MODEL", "STATE", "STATUS", "TRAFFIC", "PRECISION", "DEVICE", "PLUGIN", "WHY THIS PLUGIN"],
    models.map((model) => [
      named(model),
      model.state,
      model.status,
      `${model.traffic_percent} %`,
      model.precision,
      model.device,
      model.plugin,
      cell(model.plugin_reason ?? "", widest)
    ])
  )

/** Of a registry file. */
export const renderRegistered = (models: ReadonlyArray<RegisteredModel>): string =>
  renderTable(
    ["MODEL", "STATUS", "TRAFFIC", "PRECISION", "DEVICE", "PLUGIN", "WHY THIS PLUGIN", "FILE"],
    models.map((model) => [
      named(model),
      model.status,
      `${model.traffic_percent} %`,
      model.precision,
      model.device,
      model.plugin ?? "none",
      cell(model.refused ?? model.plugin_reason ?? "", widest),
      model.file
    ])
  )
