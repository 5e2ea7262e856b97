// What eslint's arrows do not see: cycles between files, files nobody reaches, dependencies that are not declared.
/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    { name: 'no-cycle', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
    { name: 'no-undeclared', severity: 'error', from: { path: '^(packages|apps)/[^/]+/src/' }, to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] } },
    { name: 'no-dev-in-src', severity: 'error', from: { path: '^(packages|apps)/[^/]+/src/' }, to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] } },
    { name: 'src-not-to-test', severity: 'error', from: { path: '^[^/]+/[^/]+/src/' }, to: { path: '^[^/]+/[^/]+/(test|bench)/' } },
    { name: 'organ-not-to-organ', severity: 'error', from: { path: '^packages/(cpu|mmu|io|virtio|block|network|loader|migration|ksm)/src/' }, to: { path: '^packages/(cpu|mmu|io|virtio|block|network|loader|migration|ksm)/', pathNot: '^packages/$1/' } }
  ],
  options: {
    doNotFollow: { path: ['node_modules', '(^|/)dist/'] },
    exclude: { path: ['/assembly/', '/generated/', '(^|/)dist/.*[.]d[.]ts$'] },
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['types', 'import', 'node', 'default'], extensions: ['.ts', '.mjs', '.js'] }
  }
}
