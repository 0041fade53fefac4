import { conformanceRegistry, inferenceConformance } from "./InferenceConformance.ts"
import { engineLayer } from "./LocalEngine.ts"

inferenceConformance("Inference.layerLocal", engineLayer(conformanceRegistry))
