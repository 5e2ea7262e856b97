import { existsSync, readdirSync } from 'node:fs'
import { delimiter, dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { environment, readJson, root } from './paths.mjs'
import { install } from './install.mjs'
import { main, step } from './steps.mjs'

/** Folders of the workspaces that have a package.json. */
export function workspaces() {
  return ['packages', 'apps', 'tooling', 'examples'].filter(folder => existsSync(join(root, folder))).flatMap(folder => readdirSync(join(root, folder)).map(name => join(root, folder, name)))
    .filter(folder => existsSync(join(folder, 'package.json')))
}

/** tsc --verbose tells the state of every project; only the ones it works on, and errors, are worth a line. */
function progress(line) {
  const building = /Building project '(.*)'/.exec(line)
  if (building) return `  ${relative(root, dirname(building[1]))}`
  return /Project '.*' is |Projects in this build|^\s+\* |^\s*$|Updating (unchanged )?output timestamps|Skipping (clean )?build/.test(line) ? undefined : line
}

/** Runs every package's `generate` script (source files made from other sources), compiles all packages in order, and runs the `bundle` scripts of apps. */
export async function build(runtime) {
  const env = environment([dirname(runtime), join(root, 'node_modules', '.bin')].join(delimiter))
  const each = async (name, doing) => {
    for (const folder of workspaces()) {
      const script = readJson(join(folder, 'package.json')).scripts?.[name]
      if (script !== undefined) await step(`${doing} ${relative(root, folder)}`, script, [], { cwd: folder, env, shell: true })
    }
  }
  await each('generate', 'Generating')
  await step('Building', runtime, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b', '--verbose', '--pretty', 'false'], { env, rewrite: progress })
  await each('bundle', 'Bundling')
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) main(async () => {
  await build(await install())
  return 0
})
