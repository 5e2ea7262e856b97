// eslint rules that only make sense in this repository.
import { dirname, join, relative, resolve, sep } from 'node:path'
import { packageFolder, refusal, workspaces } from './arrows.mjs'

/** Calls `check` with every module specifier of a file: imports, re-exports, dynamic imports and import types. */
const everyImport = check => ({
  ImportDeclaration: node => check(node.source),
  ExportNamedDeclaration: node => node.source && check(node.source),
  ExportAllDeclaration: node => check(node.source),
  ImportExpression: node => node.source.type === 'Literal' && check(node.source),
  TSImportType: node => check(node.source ?? node.argument?.literal)
})

const isTest = (folder, file) => /^(test|bench|fuzz)$/.test(relative(folder, file).split(sep)[0])

/** Names with which a package of another workspace is imported: '@entresol/io/uart' → '@entresol/io'. */
const packageName = specifier => specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')

const arrowsRule = {
  meta: { type: 'problem', schema: [], docs: { description: 'Packages import along the table of arrows, by name, and no file of another package.' } },
  create(context) {
    const folder = packageFolder(context.filename)
    const all = known(context.cwd)
    const own = all.find(workspace => workspace.folder === folder)
    if (own === undefined) return {}
    return everyImport(source => {
      const specifier = source?.value
      if (typeof specifier !== 'string') return
      if (specifier.startsWith('.')) {
        const target = resolve(dirname(context.filename), specifier)
        if (!(target + sep).startsWith(folder + sep) && all.some(other => target.startsWith(other.folder + sep))) {
          context.report({ node: source, message: 'A file of another package is imported by path; import the package by its name.' })
        }
        return
      }
      const name = packageName(specifier)
      if (name === own.name) return
      const target = all.find(workspace => workspace.name === name)
      if (target === undefined) return
      const reason = refusal(own.tag, target.tag, isTest(folder, context.filename))
      if (reason !== undefined) context.report({ node: source, message: `${own.name} → ${name}: ${reason}.` })
    })
  }
}

const portableRule = {
  meta: { type: 'problem', schema: [], docs: { description: 'The source of a package runs in browsers too, but for folders called node, unless its package.json says "runtime": "node".' } },
  create(context) {
    const folder = packageFolder(context.filename)
    const own = known(context.cwd).find(workspace => workspace.folder === folder)
    if (own === undefined || own.runtime === 'node' || !context.filename.startsWith(join(own.folder, 'src') + sep)) return {}
    if (!own.folder.startsWith(join(context.cwd, 'packages') + sep)) return {}
    // A subpath of its own for Node, as @entresol/network/node is.
    if (relative(own.folder, dirname(context.filename)).split(sep).includes('node')) return {}
    return everyImport(source => {
      if (String(source?.value).startsWith('node:')) context.report({ node: source, message: `${own.name} also runs in browsers: no ${source.value} here.` })
    })
  }
}

let cached
const known = root => cached ??= workspaces(root)

export default { meta: { name: 'entresol' }, rules: { arrows: arrowsRule, portable: portableRule } }
