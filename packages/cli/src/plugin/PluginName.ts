/**
 * What a plugin may be called, and what follows from its name. Pure.
 */
import * as Result from "effect/Result"

const form = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/
const longest = 64

/** The name, or what is wrong with it. */
export const parsePluginName = (name: string): Result.Result<string, string> =>
  form.test(name) && name.length <= longest
    ? Result.succeed(name)
    : Result.fail(
      `"${name}" cannot be a plugin's name: it has lower-case letters and digits, parted by single hyphens, and ` +
        `starts with a letter, as my-backend; ${longest} characters at most`
    )

/** `my-backend` as a file that holds the concept is named: `MyBackend`. */
export const pascalCase = (name: string): string =>
  name.split("-").map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("")
