export type Routing =
  | { readonly type: "pinned" }
  | { readonly type: "canary"; readonly targetVersion: string; readonly percentage: number }
  | { readonly type: "shadow"; readonly targetVersion: string; readonly percentage: number }
  | { readonly type: "ab_test"; readonly weights: ReadonlyMap<string, number> }
export const assignVersion = (_model: string, defaultVersion: string, _routing: Routing, _key: string): string =>
  defaultVersion
export const trafficPercent = (defaultVersion: string, _routing: Routing, version: string): number =>
  version === defaultVersion ? 100 : 0
