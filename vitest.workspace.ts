import { defineConfig } from "vitest/config"

const homes = "{packages,plugins,load,deploy,.ci}"

export default defineConfig({
  test: {
    pool: "forks",
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: [`${homes}/**/*.test.ts`],
          exclude: ["**/node_modules/**", "**/*.integration.test.ts"]
        }
      },
      {
        extends: true,
        test: {
          name: "integration",
          include: [`${homes}/**/*.integration.test.ts`],
          exclude: ["**/node_modules/**"],
          // Each file starts processes of its own (servers, workers, Redis): two at a time is what a small machine carries.
          maxWorkers: 2,
          testTimeout: 60_000,
          hookTimeout: 60_000
        }
      }
    ]
  }
})
