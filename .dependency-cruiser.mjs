// What eslint's arrows do not see: cycles between files, files nobody reaches, dependencies that are not declared.
import { relative } from 'node:path'
import { workspaces } from './tooling/eslint-config/src/arrows.mjs'

const organs = workspaces(import.meta.dirname).filter(({ tag }) => tag === 'organ').map(({ folder }) => relative(import.meta.dirname, folder)).join('|')

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    { name: 'no-cycle', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
    { name: 'no-undeclared', severity: 'error', from: { path: '^(packages|apps)/[^/]+/src/' }, to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] } },
    { name: 'no-dev-in-src', severity: 'error', from: { path: '^(packages|apps)/[^/]+/src/' }, to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] } },
    { name: 'src-not-to-test', severity: 'error', from: { path: '^[^/]+/[^/]+/src/' }, to: { path: '^[^/]+/[^/]+/(test|bench)/' } },
    // Source only: tests and benches of an organ may use another one (testArrows), as long as 'no-cycle' holds.
    { name: 'organ-not-to-organ', severity: 'error', from: { path: `^(${organs})/src/` }, to: { path: `^(${organs})/`, pathNot: '^$1/' } }
  ],
  options: {
    doNotFollow: { path: ['node_modules', '(^|/)dist/'] },
    exclude: { path: ['/assembly/', '/generated/'] },
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['types', 'import', 'node', 'default'], extensions: ['.ts', '.mjs', '.js'] }
  }
}
